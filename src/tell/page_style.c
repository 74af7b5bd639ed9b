/* tell/page_style.c -- The one style and the one script of a status page. They stand in each file, so that a file is whole by itself wherever
   it is copied; the security policy of the page allows these two by their hashes and nothing else, so no text from outside can act. */
#include "base/base64.h"
#include "io/hash.h"
#include "tell/page_internal.h"

const char page_style[] =
    ":root{color-scheme:light dark;--bg:#fff;--fg:#1b1f24;--dim:#57606a;--line:#d5dae0;--card:#f6f8fa;--link:#0a58ca;"
    "--ok:#187741;--maintenance:#0a58ca;--degraded:#8a5a00;--partial:#b04500;--major:#b3261e;--none:#8b949e;--on:#fff}"
    "@media(prefers-color-scheme:dark){:root{--bg:#0f1317;--fg:#e8ecf0;--dim:#a3adb8;--line:#333b44;--card:#181d23;--link:#8ab8ff;"
    "--ok:#4cc38a;--maintenance:#8ab8ff;--degraded:#f0b849;--partial:#ff9f5c;--major:#ff8b82;--none:#6e7781;--on:#0f1317}}"
    "*{box-sizing:border-box}"
    "body{margin:0 auto;max-width:54rem;padding:1rem 1.25rem 3rem;background:var(--bg);color:var(--fg);"
    "font:1rem/1.55 system-ui,-apple-system,\"Segoe UI\",Roboto,\"Liberation Sans\",\"DejaVu Sans\",sans-serif;overflow-wrap:anywhere}"
    "a{color:var(--link)}a:focus-visible,summary:focus-visible{outline:3px solid var(--link);outline-offset:2px;border-radius:2px}"
    ".skip{position:absolute;left:-99rem}.skip:focus{left:1rem;background:var(--bg);padding:.5rem}"
    "header{display:flex;justify-content:space-between;align-items:baseline;gap:1rem;flex-wrap:wrap;padding:.5rem 0 1rem}"
    ".brand{font-size:1.25rem;font-weight:700;margin:0}.brand a{color:inherit;text-decoration:none}"
    "nav a{margin-left:1rem}h1{font-size:1.5rem;line-height:1.3;margin:0}h2{font-size:1.15rem;margin:2.25rem 0 .75rem}"
    "h3{font-size:1.05rem;margin:0 0 .25rem}p{margin:.5rem 0}.dim{color:var(--dim);font-size:.9rem}"
    ".banner{background:var(--c);color:var(--on);padding:1.1rem 1.25rem;border-radius:.6rem}"
    ".old .banner,.banner.old{background:var(--dim)}.banner p{margin:.35rem 0 0;font-size:.95rem}.banner a{color:inherit}"
    ".warn{border:2px solid var(--degraded);border-radius:.6rem;padding:.75rem 1rem;margin:1rem 0;font-weight:600}.warn[hidden]{display:none}"
    ".card{border:1px solid var(--line);border-left:.35rem solid var(--c,var(--line));border-radius:.6rem;background:var(--card);padding:1rem 1.15rem;margin:.75rem 0}"
    ".none{--c:var(--ok)}.maintenance,.under_maintenance{--c:var(--maintenance)}.minor,.degraded_performance{--c:var(--degraded)}"
    ".major,.partial_outage{--c:var(--partial)}.critical,.major_outage{--c:var(--major)}.operational{--c:var(--ok)}"
    ".next{font-weight:600}ol,ul{list-style:none;padding:0;margin:0}"
    ".updates li{border-top:1px solid var(--line);padding:.75rem 0 .25rem}.updates li:first-child{border-top:0}.updates p{margin:.25rem 0}"
    ".phase{font-weight:700}"
    ".parts>li{padding:.9rem 0;border-top:1px solid var(--line)}.parts>li:first-child{border-top:0}"
    ".row{display:flex;justify-content:space-between;gap:.2rem 1rem;flex-wrap:wrap;align-items:baseline}.name{font-weight:600}"
    ".state{color:var(--c);font-weight:600;white-space:nowrap}.state svg,.banner svg{width:1em;height:1em;vertical-align:-.12em;margin-right:.4em}"
    ".bars{display:block;width:100%;height:2.1rem;margin:.45rem 0 .2rem}.bars path{fill:none;stroke-width:22}"
    ".bars .g{stroke:var(--ok)}.bars .x{stroke:var(--none);stroke-width:6}.bars rect{fill:var(--c)}"
    ".past>li{margin:.4rem 0;padding:.35rem 0}table{border-collapse:collapse;width:100%;font-size:.95rem}"
    "caption{text-align:left;color:var(--dim);padding-bottom:.4rem}th,td{text-align:left;padding:.4rem .8rem .4rem 0;border-top:1px solid var(--line);vertical-align:top}"
    "footer{margin-top:3rem;border-top:1px solid var(--line);padding-top:1rem}footer a{margin-right:1rem}.utc{white-space:nowrap}"
    "@media(max-width:34rem){body{padding:.5rem .9rem 2rem}h1{font-size:1.3rem}.banner{padding:.9rem 1rem}.bars{height:1.7rem}.legend span:nth-child(2){order:-1;flex-basis:100%}}"
    "@media print{:root{--bg:#fff;--fg:#000;--card:#fff}body{max-width:none}.skip,nav,footer{display:none}"
    ".banner{background:none;color:#000;border:2px solid #000}.card{break-inside:avoid}a{color:inherit;text-decoration:none}}";

/* Says when the page is old or an update is late, though nobody writes it any more; asks once a minute whether there is news. */
const char page_script[] =
    "(function(){var d=document,b=d.body.dataset,m=60000;"
    "function show(id,on){var e=d.getElementById(id);if(e&&e.hidden===on)e.hidden=!on}"
    "function look(){var n=Date.now(),s=+b.stale>0&&n>+b.stale;show('stale',s);d.body.classList.toggle('old',s);show('late',+b.next>0&&n>+b.next)}"
    "function local(){var z=new Date().getTimezoneOffset();if(!z)return;d.querySelectorAll('time[data-l]').forEach(function(e){"
    "var t=new Date(e.dateTime);if(isNaN(t))return;e.title=t.toLocaleString(d.documentElement.lang)+' ('+b.local+')'})}"
    "function news(){if(d.hidden||location.protocol==='file:'||!window.fetch)return;fetch(b.root+'api/v2/status.json',{cache:'no-cache'}).then(function(r){"
    "return r.json()}).then(function(j){if(j.page.updated_at!==b.changed){location.reload();return}b.stale=j.bascule.stale_at_ms;"
    "var f=d.getElementById('made');if(f){f.dateTime=j.bascule.made_at;f.textContent=j.bascule.made_at.slice(11,16)+' UTC'}look()}).catch(look)}"
    "look();local();setInterval(look,5000);setInterval(news,m)})();";

static const char *hash_of(struct arena *arena, const char *text)
{
    SCOPED(hash_close) struct hash *hash = hash_open();
    SCOPED(buf_done) struct buf out = {.max = 64};
    char hex[HASH_HEX_SIZE];
    unsigned char raw[(HASH_HEX_SIZE - 1) / 2];
    hash_add(hash, text, strlen(text));
    hash_end(hash, hex);
    for (size_t i = 0; i < sizeof(raw); i++) {
        char pair[3] = {hex[2 * i], hex[2 * i + 1], 0};
        raw[i] = (unsigned char)strtoul(pair, NULL, 16);
    }
    if (!base64_add(&out, raw, sizeof(raw)))
        abort(); /* 44 characters */
    return arena_strdup(arena, buf_text(&out));
}

const char *page_policy(struct arena *arena)
{
    return arena_printf(arena,
                        "default-src 'none'; style-src 'sha256-%s'; script-src 'sha256-%s'; img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'",
                        hash_of(arena, page_style), hash_of(arena, page_script));
}
