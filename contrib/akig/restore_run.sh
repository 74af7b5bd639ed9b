#!/bin/sh
# BACKUP_FILE (or the first argument) is restored as RESTORE_DB on the recovery server: loaded beside what is there, counted, its keys
# checked, and only then given the name; then the application of the recovery site is asked. Every line of the report was measured.
# Exit code: 0 all of it is well, 1 something is not.
set -u
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
load_env
BACKUP_FILE=${1:-${BACKUP_FILE:-}}
[ $# -le 1 ] || die "too many arguments"
[ -n "$BACKUP_FILE" ] || die "say which backup: BACKUP_FILE=... in the .env, or ${0##*/} FILE"
[ -f "$BACKUP_FILE" ] || die "there is no file \"$BACKUP_FILE\""
: "${RESTORE_DB:=akig_restore}" "${RESTORE_TIMEOUT:=3600}" "${HEALTH_CHECK_RETRIES:=5}" "${HEALTH_CHECK_INTERVAL:=10}"
: "${PG_RESTORE_HOST:=$PG_HOST}" "${PG_RESTORE_PORT:=$PG_PORT}" "${PG_RESTORE_USER:=$PG_USER}" "${PG_RESTORE_PASSWORD:=$PG_PASSWORD}"
: "${REPORT_DIR:=$BACKUP_DIR}"
for n in PG_RESTORE_PORT RESTORE_TIMEOUT HEALTH_CHECK_RETRIES HEALTH_CHECK_INTERVAL; do
    eval "v=\$$n"
    case $v in
    '' | *[!0-9]*) die "$n is \"$v\", and must be a whole number" ;;
    esac
done
if [ "$PG_RESTORE_HOST:$PG_RESTORE_PORT/$RESTORE_DB" = "$PG_HOST:$PG_PORT/$PG_DATABASE" ]; then
    die "RESTORE_DB is the production database \"$PG_DATABASE\" on \"$PG_HOST\": nothing is restored over it"
fi
make_work
folder=$(cd "$(dirname "$BACKUP_FILE")" && pwd)
file=$folder/${BACKUP_FILE##*/}
{
    head_of_conf
    site production production "$PG_HOST" "$PG_PORT" "$PG_USER" "$PG_PASSWORD" "$PG_DATABASE" "$BACKUP_DIR" ""
    site recovery dr "$PG_RESTORE_HOST" "$PG_RESTORE_PORT" "$PG_RESTORE_USER" "$PG_RESTORE_PASSWORD" "$RESTORE_DB" "$folder" "$APP_RESTORE_URL"
    objectives
    echo "    checks: [{id: production.database, type: postgres, site: production}]"
} >"$conf"

wait_s=$((HEALTH_CHECK_RETRIES * HEALTH_CHECK_INTERVAL))
# The budget ends the restore; should bascule itself hang, this ends that.
timeout -k 10 $((RESTORE_TIMEOUT + wait_s + 60)) "$BASCULE" -c "$conf" restore recovery --file "$file" --cold --report "$REPORT_DIR" \
    --api-wait "${wait_s}s" --budget-ms $((RESTORE_TIMEOUT * 1000)) >"$work/said" 2>"$work/why"
status=$?
report=$(sed -n 's/^restore\.report: //p' "$work/said")
old=$(sed -n 's/^restore\.old_database: //p' "$work/said")
if [ -n "$report" ] && [ -r "$report" ]; then
    cat "$report"
    echo "report: $report"
fi
cat "$work/why" >&2
# The one before, when a restore of ours had made it: a test a week must not fill the server.
if [ $status -eq 0 ] && [ -n "$old" ] && command -v psql >/dev/null 2>&1; then
    printf '*:*:*:*:%s\n' "$(printf '%s' "$PG_RESTORE_PASSWORD" | sed 's/[\\:]/\\&/g')" >"$work/pgpass"
    PGPASSFILE=$work/pgpass PGCONNECT_TIMEOUT=10 psql -XAtwq -v ON_ERROR_STOP=1 -v "old=$old" -h "$PG_RESTORE_HOST" -p "$PG_RESTORE_PORT" \
        -U "$PG_RESTORE_USER" -d postgres >"$work/drop" 2>&1 <<'END' || cat "$work/drop" >&2
SELECT shobj_description(oid, 'pg_database') LIKE '%bascule-restore {%' AS ours FROM pg_database WHERE datname = :'old' \gset
\if :ours
DROP DATABASE :"old";
\endif
END
fi
if [ $status -eq 0 ]; then
    slack "AKIG: restore of ${file##*/} into $RESTORE_DB: passed"
else
    status=1
    slack "AKIG: RESTORE FAILED: ${file##*/} into $RESTORE_DB. $(tail -n 2 "$work/why")"
fi
exit $status
