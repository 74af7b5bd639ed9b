// check.mjs -- Holds status pages against an HTML checker, an accessibility checker and a browser; `tools/check-page` runs it.
//   node check.mjs MODULES CHROMIUM FOLDER...           prints one JSON object a finding, then {"checked": N, "findings": N, ...}
//   node check.mjs MODULES CHROMIUM --documents FOLDER...   the same for pages that do not refresh themselves: reports
//   node check.mjs MODULES CHROMIUM --pictures TO FOLDER=NAME...   takes the pictures of docs/pictures
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { readFile, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';

const [modules, executablePath, ...words] = process.argv.slice(2);
const load = createRequire(path.join(modules, 'package.json'));
const { HtmlValidate, FileSystemConfigLoader } = load('html-validate');
const { chromium } = load('playwright-core');
const axeSource = await readFile(load.resolve('axe-core/axe.min.js'), 'utf8');

const DESKTOP = { width: 1000, height: 800 }, PHONE = { width: 360, height: 740 }, NARROW = { width: 320, height: 640 };
const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
const documents = words[0] === '--documents' && words.shift();
let checked = 0, findings = 0, rules = 0;

function found(file, what, more) {
    findings++;
    console.log(JSON.stringify({ file, what, ...more }));
}

async function filesOf(folder, end) {
    const names = await readdir(folder, { recursive: true });
    return names.filter((name) => name.endsWith(end)).sort();
}

// A web server as plain as they come; what it serves may change while it runs.
function serve(folder) {
    const types = { '.html': 'text/html', '.json': 'application/json', '.atom': 'application/atom+xml' };
    const server = createServer(async (request, response) => {
        const name = path.normalize(decodeURIComponent(new URL(request.url, 'http://x/').pathname));
        try {
            const body = await readFile(path.join(folder, name.endsWith('/') ? `${name}index.html` : name));
            response.writeHead(200, { 'Content-Type': types[path.extname(name)] ?? 'text/html' }).end(body);
        } catch {
            response.writeHead(404).end();
        }
    });
    return new Promise((done) => server.listen(0, '127.0.0.1', () => done({ server, url: `http://127.0.0.1:${server.address().port}/` })));
}

async function checkHtml(folder, names) {
    const validator = new HtmlValidate({
        extends: ['html-validate:recommended', 'html-validate:document', 'html-validate:a11y', 'html-validate:standard'],
        // The script and the style stand in the file on purpose, allowed by their hashes; the rest is taste in spelling.
        rules: { 'require-csp-nonce': 'off', 'long-title': 'off', 'doctype-style': 'off', 'require-sri': 'off' },
    });
    for (const name of names) {
        const report = await validator.validateString(await readFile(path.join(folder, name), 'utf8'), name);
        checked++;
        for (const result of report.results)
            for (const message of result.messages)
                found(name, `html: ${message.ruleId}`, { line: message.line, message: message.message });
    }
}

async function checkAccess(browser, url, name, colorScheme, viewport) {
    const context = await browser.newContext({ viewport, colorScheme });
    const page = await context.newPage();
    await page.goto(url + name);
    await page.evaluate(axeSource);
    const result = await page.evaluate((values) => axe.run(document, { runOnly: { type: 'tag', values } }), RULES);
    checked++;
    rules += result.passes.length;
    for (const violation of result.violations)
        found(name, `axe: ${violation.id} (${violation.impact})`, { colorScheme, width: viewport.width, help: violation.help, nodes: violation.nodes.map((n) => n.html).slice(0, 3) });
    await context.close();
}

// Nothing is asked of anybody else, nothing is refused by the page's own policy, nothing sticks out.
async function checkManners(browser, url, name) {
    const context = await browser.newContext({ viewport: NARROW });
    const page = await context.newPage();
    page.on('request', (request) => request.url().startsWith(url) || request.url().startsWith('data:') || found(name, 'asks a stranger', { url: request.url() }));
    page.on('console', (line) => line.type() === 'error' && found(name, 'console', { message: line.text() }));
    page.on('pageerror', (error) => found(name, 'script', { message: String(error) }));
    const answer = await page.goto(url + name);
    checked++;
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    if (wide > 0)
        found(name, 'wider than a small phone', { pixels: wide });
    for (const href of await page.$$eval('a[href]', (links) => links.map((a) => a.href))) {
        const there = href.startsWith(url) ? await context.request.get(href) : answer;
        if (!there.ok())
            found(name, 'link leads nowhere', { href });
    }
    await context.close();
}

// Without a script everything is readable; with one, the clock of the reader decides when the page is old.
async function checkClock(browser, url) {
    const plain = await browser.newContext({ javaScriptEnabled: false });
    const still = await plain.newPage();
    await still.goto(`${url}index.html`);
    const [stale, next] = await still.$eval('body', (body) => [+body.dataset.stale, +body.dataset.next]);
    checked++;
    if (!(await still.locator('h1').isVisible()) || !/UTC/.test(await still.locator('.banner p').innerText()))
        found('index.html', 'not readable without a script');
    if (await still.locator('#stale').isVisible())
        found('index.html', 'warns without a reason');
    await plain.close();
    for (const [id, at] of [['stale', stale], ['late', next]]) {
        if (!at)
            continue;
        for (const [moment, wanted] of [[at - 1000, false], [at + 6000, true]]) {
            const context = await browser.newContext();
            const page = await context.newPage();
            await page.clock.install({ time: moment });
            await page.goto(`${url}index.html`);
            checked++;
            if (await page.locator(`#${id}`).isVisible() !== wanted)
                found('index.html', `warning "${id}" is ${wanted ? 'missing' : 'too early'}`, { moment });
            if (!wanted) { // it comes by itself, on a page that nobody reloads
                await page.clock.runFor(10000);
                if (!(await page.locator(`#${id}`).isVisible()))
                    found('index.html', `warning "${id}" does not come by itself`);
            }
            await context.close();
        }
    }
}

// An open page notices what is new, and shows how fresh it is without being loaded again.
async function checkNews(browser, url, folder) {
    const status = path.join(folder, 'api/v2/status.json'), before = await readFile(status, 'utf8');
    const json = JSON.parse(before), made = Date.parse(json.bascule.made_at);
    const context = await browser.newContext();
    const page = await context.newPage();
    try {
        await page.clock.install({ time: made });
        await page.goto(`${url}index.html`);
        let loads = 0;
        page.on('load', () => loads++);
        const later = { ...json, bascule: { ...json.bascule, made_at: new Date(made + 60000).toISOString(), stale_at_ms: made + 240000 } };
        await writeFile(status, JSON.stringify(later));
        await page.clock.runFor(61000);
        await page.waitForFunction((text) => !document.getElementById('made') || document.getElementById('made').textContent === text, `${later.bascule.made_at.slice(11, 16)} UTC`)
            .catch(() => found('index.html', 'does not show that it was refreshed'));
        if (loads)
            found('index.html', 'loaded again without news');
        await writeFile(status, JSON.stringify({ ...later, page: { ...later.page, updated_at: '2099-01-01T00:00:00.000Z' } }));
        const again = page.waitForEvent('load', { timeout: 10000 }).catch(() => found('index.html', 'does not notice news'));
        await page.clock.runFor(61000);
        await again;
        checked++;
    } finally {
        await writeFile(status, before);
        await context.close();
    }
}

async function check(folder) {
    const names = await filesOf(folder, '.html');
    const { server, url } = await serve(folder);
    const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
    try {
        await checkHtml(folder, names);
        const kinds = names.filter((name) => !name.includes('incident/'));
        for (const language of ['incident/', 'fr/incident/'])
            kinds.push(...names.filter((name) => name.startsWith(language)).slice(-1));
        for (const name of kinds) {
            for (const scheme of ['light', 'dark'])
                await checkAccess(browser, url, name, scheme, DESKTOP);
            await checkAccess(browser, url, name, 'light', PHONE);
            await checkManners(browser, url, name);
        }
        if (!documents) {
            await checkClock(browser, url);
            await checkNews(browser, url, folder);
        }
    } finally {
        await browser.close();
        server.close();
    }
}

// ---- pictures ----

const PICTURES = { // name: file, colour scheme, width, height, media
    well: ['index.html', 'light', 1000, 1180], p1: ['index.html', 'light', 1000, 1180], history: ['history.html', 'light', 1000, 1180],
    phone: ['index.html', 'light', 390, 1300], dark: ['index.html', 'dark', 1000, 1180], french: ['fr/index.html', 'light', 1000, 1180],
    incident: ['incident/6.html', 'light', 1000, 900], stale: ['index.html', 'light', 1000, 700],
};

async function picture(browser, to, folder, name) {
    const [file, colorScheme, width, height] = PICTURES[name];
    const { server, url } = await serve(folder);
    const context = await browser.newContext({ viewport: { width, height }, colorScheme });
    const page = await context.newPage();
    if (name === 'stale')
        await page.clock.install({ time: Date.now() + 3600000 });
    await page.goto(url + file);
    await page.screenshot({ path: path.join(to, `status-${name}.png`) });
    await context.close();
    server.close();
}

if (words[0] === '--pictures') {
    const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
    for (const word of words.slice(2)) {
        const [folder, name] = word.split('=');
        await picture(browser, words[1], folder, name);
        checked++;
    }
    await browser.close();
} else {
    for (const folder of words)
        await check(folder);
}
console.log(JSON.stringify({ checked, findings, rules_passed: rules, folders: words.length }));
process.exitCode = findings ? 1 : 0;
