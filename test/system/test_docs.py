"""What is written stays true: documents against the program that prints them, French against English, the runbook against a lab."""
from __future__ import annotations

import ast
import json
import os
import re
import subprocess
from pathlib import Path
from typing import Iterator

import pytest

from conftest import ROOT
from drive import Bascule
from procs import wait_until

DOCUMENTS = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "lab").glob("*.md"),
                    *(ROOT / "src").rglob("*.md"), *(ROOT / "test").rglob("*.md")])
SAMPLE = ROOT / "etc" / "bascule.sample.yaml"


def run(program: Path, *words: str, lang: str = "en", **environment: str) -> subprocess.CompletedProcess:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("BASCULE", "LC_", "LANG"))}
    return subprocess.run([str(program), *words], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60,
                          env={**clean, "BASCULE_LANG": lang, **environment})


def printed(program: Path, *words: str, **options: str) -> str:
    done = run(program, *words, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def commands(program: Path) -> list[str]:
    return re.findall(r"^  ([a-z]+) +\S", printed(program, "help"), re.M)


# ---- printed by the program, kept beside it ----

def test_the_options_page_is_what_the_program_prints(program: Path) -> None:
    """bascule --lang en config manual > docs/options.md"""
    assert (ROOT / "docs" / "options.md").read_text() == printed(program, "config", "manual")


def test_the_sample_is_what_the_program_prints(program: Path) -> None:
    """bascule --lang en config sample > etc/bascule.sample.yaml"""
    assert SAMPLE.read_text() == printed(program, "config", "sample")


def test_the_samples_are_right(program: Path, tmp_path: Path) -> None:
    assert "is right" in printed(program, "-c", str(SAMPLE), "config", "check")
    french = tmp_path / "bascule.yaml"
    french.write_text(printed(program, "config", "sample", lang="fr"))
    assert "est correct" in printed(program, "-c", str(french), "config", "check", lang="fr", BASCULE_PLAYBOOKS=str(ROOT / "etc" / "playbooks"), BASCULE_CHECKLISTS=str(ROOT / "etc" / "checklists"))


def test_the_playbooks_that_ship_have_no_fault(program: Path, tmp_path: Path) -> None:
    count = len(list((ROOT / "etc" / "playbooks").glob("*.yaml")))  # primary-lost stands in the place of database-down
    assert printed(program, "-c", str(SAMPLE), "playbook", "lint") == f"{count - 1} playbooks, 0 errors, 0 warnings\n"
    text = SAMPLE.read_text() + 'etcd: {endpoints: ["http://10.0.0.3:2379"]}\n'
    for n, site in enumerate(("production", "dr"), 1):
        text = text.replace(f"      - name: {site}\n", f'      - name: {site}\n        agent: {{listen: "10.0.0.{n}:9346", token: {{file: /etc/bascule/agent.token}}}}\n', 1)
        text = text.replace("    checks:\n", f"    checks:\n      - {{id: {site}.agent, type: agent, site: {site}, interval: 500ms}}\n", 1)
    config = tmp_path / "agents.yaml"
    config.write_text(text.replace("playbooks: [database-down.yaml,", "playbooks: [primary-lost.yaml,"))
    linted = printed(program, "-c", str(config), "playbook", "lint", BASCULE_PLAYBOOKS=str(ROOT / "etc" / "playbooks"), BASCULE_CHECKLISTS=str(ROOT / "etc" / "checklists"))
    assert linted == f"{count - 1} playbooks, 0 errors, 0 warnings\n"


def test_every_playbook_is_installed() -> None:
    installed = set(re.findall(r"playbooks/([a-z-]+\.yaml)", (ROOT / "etc" / "meson.build").read_text()))
    assert installed == {path.name for path in (ROOT / "etc" / "playbooks").glob("*.yaml")}


@pytest.fixture
def first_file(tmp_path: Path) -> Path:
    """The pieces that docs/configuration.md shows, as one whole file."""
    chapter = (ROOT / "docs" / "configuration.md").read_text().split("## A first file")[1].split("\n## ")[0]
    pieces = re.findall(r"^```yaml\n(.*?)^```", chapter, re.M | re.S)
    assert len(pieces) > 3
    path = tmp_path / "bascule.yaml"
    path.write_text("".join(pieces))
    return path


def test_the_first_configuration_is_right(program: Path, first_file: Path) -> None:
    assert "is right" in printed(program, "-c", str(first_file), "config", "check", BASCULE_PLAYBOOKS=str(ROOT / "etc" / "playbooks"), BASCULE_CHECKLISTS=str(ROOT / "etc" / "checklists"))


def test_the_mistakes_shown_look_like_that(program: Path, first_file: Path) -> None:
    """The same file with two slips gives what docs/configuration.md shows."""
    shown = (ROOT / "docs" / "configuration.md").read_text().split("$ bascule config check\n")[1].split("```")[0]
    text = first_file.read_text().replace("site: dr, interval: 5s}\n", "site: dr, intervall: 5s}\n", 1).replace("on-call, after: 2m", "on-call, after: 2")
    first_file.write_text(text)
    done = run(program, "-c", str(first_file), "config", "check", BASCULE_PLAYBOOKS=str(ROOT / "etc" / "playbooks"), BASCULE_CHECKLISTS=str(ROOT / "etc" / "checklists"))
    assert done.returncode == 78 and done.stderr.replace(str(first_file), "/etc/bascule/bascule.yaml") == shown


def test_every_way_to_move_the_users_that_is_shown_is_right(program: Path, tmp_path: Path) -> None:
    """Each configuration of docs/traffic.md, in the sample's place for it; and every driver is shown."""
    shown = re.findall(r"^    traffic:\n(?:(?:      .*)?\n)+", (ROOT / "docs" / "traffic.md").read_text(), re.M)
    drivers = re.findall(r"^### traffic `(\w+)`", (ROOT / "docs" / "options.md").read_text(), re.M)
    assert sorted(re.search(r"driver: (\w+)", one)[1] for one in shown) == sorted(drivers) and len(drivers) > 5
    before, after = re.split(r"(?m)^    traffic:\n(?:(?:      .*|    #.*)\n)+", SAMPLE.read_text())
    by_hand = {"nginx": "sudo tee /etc/nginx/conf.d/akig-upstream.conf", "haproxy": "shutdown sessions server akig/web-1", "address": "address del 192.0.2.100/24 dev eth0",
               "dns": "update add www.akig.com. 60 A 198.51.100.10", "pgbouncer": "KILL \"akig\"", "command": "/usr/local/bin/edge switch dr",
               "cloudflare": '{"name":"www.akig.com","type":"A","content":"198.51.100.10","ttl":1,"proxied":true}',
               "route53": '{"Action":"UPSERT","ResourceRecordSet":{"Name":"www.akig.com.","Type":"A","TTL":60,"ResourceRecords":[{"Value":"198.51.100.10"}]}}',
               "elbv2": 'targetgroup/dr/943f017f100becff","Weight":1}'}
    for one in shown:
        path = tmp_path / "bascule.yaml"
        path.write_text(before + one + after)
        for lang in ("en", "fr"):
            assert by_hand[re.search(r"driver: (\w+)", one)[1]] in printed(program, "-c", str(path), "runbook", lang=lang, BASCULE_PLAYBOOKS=str(ROOT / "etc" / "playbooks"),
                                                                          BASCULE_CHECKLISTS=str(ROOT / "etc" / "checklists"))
        assert "is right" in printed(program, "-c", str(path), "config", "check", BASCULE_PLAYBOOKS=str(ROOT / "etc" / "playbooks"),
                                     BASCULE_CHECKLISTS=str(ROOT / "etc" / "checklists"))


def test_the_bounds_of_a_lease_are_printed(program: Path, tmp_path: Path) -> None:
    """By ttl, drift and guard alone, so that a person can check them: 4 s; 4 s and 2 % of it and 300 ms."""
    environment = {"BASCULE_PLAYBOOKS": str(ROOT / "etc" / "playbooks"), "BASCULE_CHECKLISTS": str(ROOT / "etc" / "checklists")}
    text = SAMPLE.read_text()
    assert "leases\":[]" in printed(program, "-c", str(SAMPLE), "config", "check", "--json", **environment)
    text = re.sub(r"(?m)^        database:$", "        agent: {listen: \"127.0.0.1:9346\"}\n        database:", text)
    path = tmp_path / "bascule.yaml"
    text = re.sub(r"(?m)^    sites:$", "    failover: {ttl: 4s, drift: 2, guard: 300ms}\n    sites:", text)
    path.write_text(text)
    assert "stops within" not in printed(program, "-c", str(path), "config", "check", **environment), "without etcd nobody holds a lease"
    path.write_text(text + "\netcd: {endpoints: [\"http://127.0.0.1:2379\"]}\n")
    assert "stops within 4000 ms; another is promoted no earlier than 4380 ms" in printed(program, "-c", str(path), "config", "check", **environment)
    told = json.loads(printed(program, "-c", str(path), "config", "check", "--json", **environment))
    assert told["leases"] == [{"service": "akig", "stops_within_ms": 4000, "promoted_no_earlier_ms": 4380}]
    path.write_text(path.read_text().replace("127.0.0.1:9346\"", "127.0.0.1:9346\", watchdog: /dev/watchdog"))
    assert "its watchdog counts 3 s, and resets a machine within 4000 ms" in printed(program, "-c", str(path), "config", "check", **environment), "4 s, less 700 ms for an answer"
    assert json.loads(printed(program, "-c", str(path), "config", "check", "--json", **environment))["leases"][0]["watchdog_s"] == 3


def test_what_is_installed_fits_together(build: Path, program: Path, tmp_path: Path) -> None:
    """The unit starts the program that is installed, with the configuration that the program and the README speak of."""
    done = subprocess.run(["meson", "install", "-C", str(build), "--no-rebuild", "--destdir", str(tmp_path)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    installed = {path.name: path for path in tmp_path.rglob("*") if path.is_file()}
    assert {"bascule.8", "bascule.mo", "bascule.service", "bascule.conf", "bascule.sample.yaml"} <= set(installed)
    assert {path.name for path in (ROOT / "etc" / "playbooks").iterdir()} <= set(installed)
    binary, configuration = re.search(r"^ExecStart=(\S+) -c (\S+) serve$", installed["bascule.service"].read_text(), re.M).groups()
    assert os.access(tmp_path / binary.lstrip("/"), os.X_OK)
    assert (tmp_path / configuration.lstrip("/")).parent.is_dir()
    assert configuration in printed(program, "help", "--man") and configuration in (ROOT / "README.md").read_text()
    user = re.search(r"^User=(\w+)$", installed["bascule.service"].read_text(), re.M)[1]
    assert re.search(rf"^u {user} ", installed["bascule.conf"].read_text(), re.M) and "systemd-sysusers" in (ROOT / "README.md").read_text()


def test_the_units_are_right(build: Path, program: Path, tmp_path: Path) -> None:
    """By systemd's own word, with the program in the place where it will be installed; a mistake of one letter is seen."""
    def verify() -> str:
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", *sorted(str(path) for path in tmp_path.glob("bascule*.service"))], capture_output=True, text=True, timeout=120)
        return "".join(line + "\n" for line in (done.stdout + done.stderr).splitlines() if "bascule" in line) + ("" if done.returncode == 0 else f"exit status {done.returncode}")

    names = {path.name for path in (build / "etc").glob("bascule*.service")}
    assert {"bascule.service", "bascule-agent@.service", "bascule-upkeep.service", "bascule-follow.service"} <= names
    for name in names:
        text = re.sub(r"(?m)^(Exec\w+=)\S+/bascule ", rf"\g<1>{program} ", (build / "etc" / name).read_text())
        (tmp_path / name).write_text(text)
    assert verify() == ""
    agent = tmp_path / "bascule-agent@.service"
    text = agent.read_text()
    assert re.search(r"(?m)^KillMode=process$", text) and re.search(r"(?m)^DeviceAllow=/dev/watchdog rw$", text)
    agent.write_text(text.replace("KillMode=process", "KillMod=process"))
    assert "KillMod" in verify()


@pytest.mark.parametrize("lang", ["en", "fr"])
def test_every_command_explains_itself(program: Path, lang: str) -> None:
    names = commands(program)
    assert len(names) > 15
    for name in names:
        text = printed(program, "help", name, lang=lang)
        assert re.match(rf"usage ?: bascule {name}\b", text) and len(text.splitlines()) >= 3, text
        assert printed(program, name, "--help", lang=lang) == text
        if name not in ("help", "version"):
            wrong = run(program, "-c", str(SAMPLE), name, "--no-such-option", "x", "y", lang=lang)
            assert wrong.returncode >= 64 and wrong.stderr and not wrong.stdout, (name, wrong)


def test_the_manual_page_is_good_roff(program: Path) -> None:
    page = printed(program, "help", "--man")
    assert page == printed(program, "help", "--man", lang="fr"), "the installed page would depend on who builds it"
    done = subprocess.run(["groff", "-man", "-Tutf8", "-ww"], input=page, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and not done.stderr, done.stderr
    text = re.sub(r".\x08", "", done.stdout)
    for name in commands(program):
        assert re.search(rf"^ +{name}\b", text, re.M), name
    assert "✓" in text


def test_the_completion_is_bash_and_knows_the_sub_commands(program: Path) -> None:
    script = printed(program, "help", "--completion")
    ask = script + '\nwords() { COMP_WORDS=(bascule "$@" ""); COMP_CWORD=$(($# + 1 - ($# > 1))); _bascule; echo "${COMPREPLY[@]}"; }; ' \
                   "COMP_CWORD=1; words; words incident; words backup; words config"
    done = subprocess.run(["bash", "-c", ask], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and not done.stderr, done.stderr
    top, incident, backup, config = (set(line.split()) for line in done.stdout.splitlines())
    assert top == set(commands(program))
    assert {"list", "show", "open", "ack", "certify", "--accept-loss"} <= incident and not any("[" in word for word in incident | backup)
    assert {"list", "verify", "--site"} <= backup and "newest" not in backup
    assert {"check", "show", "sample", "manual"} <= config


# ---- documents ----

def code_in(text: str) -> Iterator[str]:
    fenced = re.findall(r"^```[a-z]*\n(.*?)^```", text, re.M | re.S)
    yield from fenced
    yield from re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S))


def test_every_command_stands_in_the_readme(program: Path) -> None:
    table = (ROOT / "README.md").read_text().split("## Commands")[1].split("\n## ")[0]
    named = set(re.findall(r"\w+", " ".join(re.findall(r"^\| (.*?) (?<!\\)\|", table, re.M))))
    assert set(commands(program)) - named == set()


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_a_document_names_is_there(program: Path, path: Path) -> None:
    text = path.read_text()
    known, targets = set(commands(program)), set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    for link in re.findall(r"\]\(([^)#\s]+)", text):
        assert re.match(r"https?://|mailto:", link) or (path.parent / link).exists(), link
    for code in code_in(text):
        for line in (re.sub(r"  +#.*", "", line) for line in code.splitlines()):
            for word in re.findall(r"(?:^|[/$#] ?|&& |\| )bascule (?:(?:-c|--lang|--service) \S+ )*([a-z]+)", line):
                assert word in known, line
            for word in re.findall(r"^(?:\$ |# )?make ([a-z]+)", line):
                assert word in targets, line
    for name in re.findall(r"`((?:src|test|tools|docs|etc|lab|po)/[\w./-]+)`", text):
        built = ROOT / (name + ".c")
        assert re.search(r"[A-Z]{3,}", Path(name).stem) or (ROOT / name).exists() or built.exists(), name


def test_every_room_says_what_it_is() -> None:
    for room in sorted(path for path in (ROOT / "src").iterdir() if path.is_dir()):
        text = (room / "README.md").read_text()
        assert len(text.splitlines()) < 60, room


def tracked() -> Iterator[Path]:
    listed = subprocess.run(["git", "-C", str(ROOT), "ls-files", "-z"], capture_output=True, text=True, timeout=60)
    if listed.returncode == 0:
        yield from (ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file())
        return
    for folder in ("docs", "etc", "lab", "po", "src", "test", "tools"): # an unpacked archive
        yield from (path for path in (ROOT / folder).rglob("*") if path.is_file() and path.suffix != ".pyc")


def test_nothing_speaks_of_where_it_was_written() -> None:
    where = re.compile(r"/wor[k]/|\.\./share[d]|\bissue #?[0-9]", re.I)
    for path in tracked():
        for number, line in enumerate(path.read_bytes().decode(errors="replace").splitlines(), 1):
            assert not where.search(line), f"{path.relative_to(ROOT)}:{number}: {line}"


# ---- French ----

def messages(catalogue: str) -> dict[str, str]:
    """msgid -> msgstr, without the header."""
    found = {}
    for entry in catalogue.split("\n\n"):
        parts = re.search(r'^msgid ((?:".*"\s*)+)msgstr ((?:".*"\s*)+)$', entry, re.M)
        if parts:
            text = ["".join(ast.literal_eval(line) for line in part.strip().splitlines()) for part in parts.groups()]
            found[text[0]] = text[1]
    found.pop("", None)
    return found


@pytest.fixture(scope="module")
def template() -> dict[str, str]:
    argv = ["xgettext", "--keyword=_", "--keyword=N_", "--from-code=UTF-8", "-o", "-", *(ROOT / "po" / "POTFILES").read_text().split()]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and not done.stderr, done.stderr
    return messages(done.stdout)


def test_every_file_with_messages_is_translated() -> None:
    marked = {str(path.relative_to(ROOT)) for path in (ROOT / "src").rglob("*.c") if re.search(r"\bN?_\(\"", path.read_text())}
    assert marked <= set((ROOT / "po" / "POTFILES").read_text().split())


def test_every_message_has_its_french(template: dict[str, str]) -> None:
    catalogue = ROOT / "po" / "fr.po"
    french = messages(catalogue.read_text())
    assert len(template) > 100
    assert set(template) - set(french) == set(), "without French"
    assert set(french) - set(template) == set(), "said no more"
    assert [text for text, translation in french.items() if not translation] == []
    for kind in ("--untranslated", "--fuzzy", "--obsolete"):
        left = subprocess.run(["msgattrib", kind, "--no-wrap", str(catalogue)], capture_output=True, text=True, check=True, timeout=60).stdout
        assert not messages(left.replace("#~ ", "")), f"{kind}: {left}"
    done = subprocess.run(["msgfmt", "--check", "-o", os.devnull, str(catalogue)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and not done.stderr, done.stderr


def test_the_french_is_not_the_english(template: dict[str, str]) -> None:
    same = {text for text, french in messages((ROOT / "po" / "fr.po").read_text()).items() if text == french}
    assert same <= {"cause", "messages"}


@pytest.mark.parametrize("environment", [{"BASCULE_LANG": "fr"}, {"BASCULE_LANG": "", "LANG": "fr_FR.UTF-8"}, {"BASCULE_LANG": "", "LC_ALL": "fr_CA.UTF-8"}])
def test_french_is_shown_when_asked_for(program: Path, environment: dict[str, str]) -> None:
    text = run(program, "help", **environment).stdout
    assert "le contrôleur : surveille" in text and "the controller" not in text
    done = run(program, "nonsense", **environment)
    assert done.returncode == 64 and "commande inconnue « nonsense »" in done.stderr


def test_english_is_shown_otherwise(program: Path) -> None:
    for environment in ({"BASCULE_LANG": "", "LANG": "de_DE.UTF-8"}, {"BASCULE_LANG": "", "LANG": "C"}, {"BASCULE_LANG": "en", "LANG": "fr_FR.UTF-8"}):
        assert "the controller: watches" in run(program, "help", **environment).stdout
    assert "le contrôleur" in printed(program, "--lang", "fr", "help")


def test_commands_speak_french_and_json_does_not(bascule: Bascule) -> None:
    bascule.ok("backup")
    status = bascule.ok("--lang", "fr", "status")
    assert "[✓] Connexion à la base de données (production.database): " in status and status.endswith("✓ All checks passed\n")
    plan = bascule.ok("--lang", "fr", "failover", "--dry-run")
    assert "Essai à blanc" in plan and "Rediriger le trafic  (au plus 5 min)" in plan and "would" not in re.sub(r"(?m)^      [^$].*", "", plan)
    shapes = []
    for lang in ("en", "fr"):
        answer = json.loads(bascule.ok("--lang", lang, "--json", "status"))
        assert all(isinstance(check["took_ms"], int) and check["state"] in ("up", "warning") for check in answer["checks"])
        shapes.append(({*answer}, {key for check in answer["checks"] for key in check}, answer["status"]))
    assert shapes[0] == shapes[1]


# ---- the runbook ----

STEP = re.compile(r"^#### (?:Step|Étape) (\d+) ?: (.*?)(?: \([^()]*\))?$", re.M)


def chapters(text: str) -> list[str]:
    return re.split(r"^## \d+\. ", text, flags=re.M)[1:]


def by_hand(procedure: str) -> list[str]:
    """The blocks that follow "À la main", in the order of the steps."""
    return re.findall(r"^À la main.*?\n\n```bash\n(.*?)^```", procedure, re.M | re.S)


def prose(text: str) -> set[str]:
    """Lines of three words or more that people read, without code."""
    without = re.sub(r"`[^`]*`", "", re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S))
    return {line for line in without.splitlines() if len(re.findall(r"[A-Za-zÀ-ÿ']{2,}", line)) >= 3}


def test_the_runbook_has_every_part_in_both_languages(bascule: Bascule) -> None:
    lab = bascule.lab
    english, french = (bascule.ok("--lang", lang, "runbook") for lang in ("en", "fr"))
    assert len(chapters(french)) == len(chapters(english)) == 7
    assert prose(english) & prose(french) == set()
    assert STEP.findall(english) and [n for n, _ in STEP.findall(english)] == [n for n, _ in STEP.findall(french)]
    for (_, title), (_, titre) in zip(STEP.findall(english), STEP.findall(french)):
        assert title not in french and titre in french, title
    for text in (english, french):
        assert not re.search(r"\{(?:active|standby|traffic|public|endpoints|identify|service)", text)
        assert f"root@{lab.net}.1" in text or f"@{lab.net}.1" in text, "how to log in to production"
        for value in (lab.edge, lab.api_url("dr"), str(lab.backups), "dba@akig.example", "cto@akig.example", "https://status.akig.example/"):
            assert value in text, value
        for command in ("diagnose production", "service restart production.database", "status dr", "fence production", "promote dr", "restore dr", "verify dr",
                        "traffic switch dr", "verify public 10", "incident ack N", "incident certify N"):
            assert f"bascule {command}" in text, command


def test_the_french_runbook_has_the_known_sections(bascule: Bascule) -> None:
    sites, escalation, scenarios, procedures, communication, checklists, contacts = chapters(bascule.ok("--lang", "fr", "runbook"))
    assert "P1 — Critique (RTO : 15 min, RPO : 1 h)" in escalation and "50 k$/heure" in escalation and "100 % du service inaccessible" in escalation
    assert "astreinte" in escalation and "Exploitation (ops), DBA d'astreinte (dba)" in escalation
    assert "Scénario 1 : Base de données indisponible" in scenarios and "Symptômes" in scenarios and "ECONNREFUSED" in scenarios
    titles = [title for _, title in STEP.findall(procedures)]
    assert titles == ["Vérifier l'état de la DR", "S'assurer que l'ancien site ne peut plus écrire", "Promouvoir la base répliquée", "Restaurer la sauvegarde valide la plus récente",
                      "Redémarrer l'application de la DR", "Tester les APIs", "Rediriger le trafic", "Vérifier le trafic", "Communiquer le statut"]
    for budget in ("DR (2 min)", "récente (10 min)", "APIs (3 min)", "Rediriger le trafic (5 min)"):
        assert budget in procedures, budget
    for phrase in ("Message standard", "ALERTE INCIDENT", "Tableau de bord : INDISPONIBLE", "~15\u202f000 utilisateurs touchés", "Cadence d'un P1",
                   "puis toutes les 5 min"):
        assert phrase in communication, phrase
    assert checklists.count("- [ ] ") > 20 and "P1 — Basculement" in checklists and "Après l'incident" in checklists
    assert contacts.index("Tier 1") < contacts.index("DBA d'astreinte") < contacts.index("Tier 2") < contacts.index("Directrice technique")


def test_the_commands_of_the_runbook_can_be_typed(bascule: Bascule) -> None:
    """Every block is a shell's, and every `bascule` line is one that the program understands."""
    for lang in ("en", "fr"):
        text = bascule.ok("--lang", lang, "runbook")
        blocks = re.findall(r"^```bash\n(.*?)^```", text, re.M | re.S)
        assert len(blocks) > 15
        for block in blocks:
            done = subprocess.run(["bash", "-n"], input=block, capture_output=True, text=True, timeout=60)
            assert done.returncode == 0, block + done.stderr
        for line in sorted({line for block in blocks for line in block.splitlines() if line.startswith("bascule ")}):
            words = line.split()[1:]
            if words[0] in ("diagnose", "service", "status", "verify"):
                bascule.ok(*words, *(() if words[0] == "status" else ("--dry-run",)))


def test_the_procedure_works_by_hand(bascule: Bascule, tmp_path: Path) -> None:
    """The day the program cannot: the printed lines, typed one step after the other, move the users to the other site."""
    lab = bascule.lab
    bascule.ok("backup")
    sudo = tmp_path / "sudo"  # whoever runs the tests may do all of it already
    sudo.write_text('#!/bin/sh\n[ "$1" = -n ] && shift\nexec "$@"\n')
    sudo.chmod(0o755)
    _, _, scenarios, procedures, *_ = chapters(bascule.ok("--lang", "fr", "runbook"))
    environment = {**bascule.environment, "PATH": f"{tmp_path}:{lab.state['pgbin']}:{os.environ['PATH']}"}

    def typed(block: str) -> str:
        done = subprocess.run(["bash"], input=block, capture_output=True, text=True, timeout=120, cwd=tmp_path, env=environment)
        return done.stdout + done.stderr

    diagnose, restart, verify = by_hand(scenarios)
    assert "(1 row)" in typed(diagnose) and "la base répond" in typed(restart) and typed(verify).count("200 /api/") == 3
    check, fence, promote, restore, application, apis, redirect, traffic, _report = by_hand(procedures)
    assert "payments|" in typed(check)
    assert "no response" in typed(fence) and not lab.postmaster("production") and lab.unit("production", "db").mask_file.exists()
    assert "pg_promote" in promote  # for a standby, which this site does not have
    said = typed(restore)
    assert said.count("ALTER DATABASE") == 3 and "akig_backup_full_" in said and "ERROR" not in said, said
    typed(application)
    assert typed(apis).count("200 /api/") == 3
    assert "test is successful" in typed(redirect)
    wait_until("ten answers of the other site", 20, lambda: typed(traffic).count('"site":"dr"') == 10)
    bascule.ok("verify", "public")
