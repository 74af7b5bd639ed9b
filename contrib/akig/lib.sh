# What the three wrappers share: their .env is read as data and never run, and becomes a configuration of bascule that lives as long as
# the command. Passwords go into files that only we can read; none stands in an argument or in the environment of a child.

known="PG_HOST PG_PORT PG_USER PG_PASSWORD PG_DATABASE PG_RESTORE_HOST PG_RESTORE_PORT PG_RESTORE_USER PG_RESTORE_PASSWORD
BACKUP_DIR BACKUP_RETENTION_DAYS ARCHIVE_DIR REMOTE_BACKUP_URL APP_URL APP_RESTORE_URL ALERT_EMAIL ALERT_SMS SLACK_WEBHOOK BACKUP_FILE
RESTORE_DB RESTORE_TIMEOUT HEALTH_CHECK_RETRIES HEALTH_CHECK_INTERVAL CHECK_INTERVAL RPO_HOURS RTO_MINUTES REPORT_DIR BASCULE"

die() {
    printf '%s: %s\n' "${0##*/}" "$1" >&2
    exit 1
}

is_known() {
    for k in $known; do
        [ "$k" = "$1" ] && return 0
    done
    return 1
}

# NAME=value, quotes around it or not, `export` before it or not; anything else is left out.
read_env() {
    while IFS= read -r line || [ -n "$line" ]; do
        line=$(printf '%s' "$line" | tr -d '\r' | sed 's/^[[:space:]]*//; s/^export[[:space:]]\{1,\}//')
        case $line in
        '' | '#'* | [!A-Z]*) continue ;;
        *=*) ;;
        *) continue ;;
        esac
        name=${line%%=*}
        value=${line#*=}
        case $value in
        \"*) value=${value#\"} value=${value%%\"*} ;;
        \'*) value=${value#\'} value=${value%%\'*} ;;
        *) value=$(printf '%s' "$value" | sed 's/[[:space:]]\{1,\}#.*$//; s/[[:space:]]*$//') ;;
        esac
        is_known "$name" && eval "$name=\$value" # the name is one of ours; the value is not looked at again
    done <"$1"
}

load_env() {
    env_file=${AKIG_ENV:-}
    for f in "$here/.env" "$here/../.env"; do
        [ -z "$env_file" ] && [ -f "$f" ] && env_file=$f
    done
    [ -z "$env_file" ] || [ -r "$env_file" ] || die "cannot read \"$env_file\""
    [ -z "$env_file" ] || read_env "$env_file"
    BASCULE=${BASCULE:-bascule}
    command -v "$BASCULE" >/dev/null 2>&1 || die "there is no program \"$BASCULE\"; install bascule, or say where it is with BASCULE="
    : "${PG_HOST:=localhost}" "${PG_PORT:=5432}" "${PG_USER:=postgres}" "${PG_DATABASE:=akig}" "${PG_PASSWORD:=}"
    : "${BACKUP_DIR:=/backups/akig}" "${BACKUP_RETENTION_DAYS:=30}" "${RPO_HOURS:=1}" "${RTO_MINUTES:=30}"
    : "${REMOTE_BACKUP_URL:=}" "${APP_URL:=}" "${APP_RESTORE_URL:=}" "${SLACK_WEBHOOK:=}"
    for n in PG_PORT BACKUP_RETENTION_DAYS RPO_HOURS RTO_MINUTES; do
        eval "v=\$$n"
        case $v in
        '' | *[!0-9]*) die "$n is \"$v\", and must be a whole number" ;;
        esac
    done
    # Children get none of it: what they need stands in the configuration.
    unset PGPASSWORD
    for n in $known; do
        case $n in
        *PASSWORD | SLACK_WEBHOOK | REMOTE_BACKUP_URL) eval "unset_$n=\${$n:-}; unset $n; $n=\$unset_$n; unset unset_$n" ;;
        esac
    done
}

make_work() {
    umask 077
    work=$(mktemp -d "${TMPDIR:-/tmp}/akig.XXXXXX") || die "cannot make a temporary folder"
    trap 'rm -rf "$work"' EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
    conf=$work/bascule.yaml
}

# A value as YAML takes it whatever is in it.
q() {
    printf '"'
    printf '%s' "$1" | sed 's/\\/\\\\/g; s/"/\\"/g'
    printf '"'
}

# q's password file, when there is a password: secret NAME VALUE
secret() {
    [ -n "$2" ] || return 0
    printf '%s\n' "$2" >"$work/$1"
    printf '          password: {file: %s}\n' "$(q "$work/$1")"
}

# site NAME ROLE HOST PORT USER PASSWORD DBNAME FOLDER URL MORE
site() {
    cat <<END
      - name: $1
        role: $2
        database:
          host: $(q "$3")
          port: $4
          user: $(q "$5")
          dbname: $(q "$7")
          critical_tables: [users, properties, contracts, payments, invoices]
$(secret "$1.password" "$6")
        backup: {folder: $(q "$8"), retention: ${BACKUP_RETENTION_DAYS}d${10:-}}
END
    [ -z "$9" ] || printf '        application: {url: %s}\n' "$(q "$9")"
}

# Everything up to the sites; then the sites, then `endpoints_and_objectives`.
head_of_conf() {
    cat <<END
state_dir: $(q "$work/state")
channels: [{name: log, type: log, file: $(q "$work/notices.log")}]
contacts: [{name: ops, ways: [{channel: log}]}]
services:
  - name: akig
    title: AKIG
    automatic: false
    sites:
END
}

objectives() {
    cat <<END
    endpoints:
      - {path: /api/health, accept: [200]}
      - {path: /api/auth, accept: [200, 401]}
      - {path: /api/dashboard, accept: [200, 401]}
      - {path: /api/contracts, accept: [200, 401]}
      - {path: /api/payments, accept: [200, 401]}
      - {path: /api/invoices, accept: [200, 401]}
    severities:
      - {name: P1, rto: ${RTO_MINUTES}m, rpo: ${RPO_HOURS}h, stages: [{name: alert, after: 5s, notify: [ops]}]}
      - {name: P2, rto: 1h, stages: [{name: alert, after: 5s, notify: [ops]}]}
      - {name: P3, rto: 24h, stages: [{name: alert, after: 5s, notify: [ops]}]}
END
}

# As a JSON string: what is no printable character is left out.
json() {
    printf '"'
    printf '%s' "$1" | tr '\n\t' '  ' | tr -d '\000-\037' | sed 's/\\/\\\\/g; s/"/\\"/g'
    printf '"'
}

# The address goes through stdin: it is a secret. Nobody's backup fails because a chat is down, and yet it is said.
slack() {
    [ -n "$SLACK_WEBHOOK" ] || return 0
    printf '{"text": %s}\n' "$(json "$1")" >"$work/slack.json"
    printf 'url = %s\n' "$(q "$SLACK_WEBHOOK")" |
        curl -sS -f -m 15 -o "$work/slack.out" -H 'Content-Type: application/json' --data-binary "@$work/slack.json" -K - 2>"$work/slack.err" ||
        printf '%s: Slack was not told: %s\n' "${0##*/}" "$(tail -n 1 "$work/slack.err")" >&2
}
