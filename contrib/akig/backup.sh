#!/bin/sh
# One full backup: made, read back, sent to REMOTE_BACKUP_URL, old ones removed. Exit code: 0 done, 1 failed (nothing is removed then),
# 2 the backup is good here and the remote place has not got it.
# 0 * * * * /opt/akig/backup.sh --full
set -u
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"

case ${1:---full} in
full | --full) ;;
incremental | --incremental)
    # What was called so was a dump of the data without its tables, which nothing can be restored from alone.
    echo "${0##*/}: there are no incremental dumps; a full backup is made" >&2
    ;;
*)
    echo "usage: ${0##*/} [--full | --incremental]" >&2
    exit 1
    ;;
esac
[ $# -le 1 ] || die "too many arguments"
load_env
make_work

stores=
if [ -n "$REMOTE_BACKUP_URL" ]; then
    stores=", stores: [{name: remote, type: http, url: $(q "$REMOTE_BACKUP_URL")}]"
fi
{
    head_of_conf
    site production production "$PG_HOST" "$PG_PORT" "$PG_USER" "$PG_PASSWORD" "$PG_DATABASE" "$BACKUP_DIR" "" "$stores"
    objectives
    echo "    checks: [{id: production.database, type: postgres, site: production}]"
} >"$conf"

stamp=$(date -u +%Y%m%d_%H%M%S)
{
    echo "BACKUP REPORT"
    echo "began   $(date -u +%Y-%m-%dT%H:%M:%SZ)"
    if [ -n "$stores" ]; then
        "$BASCULE" -c "$conf" backup make --push
    else
        "$BASCULE" -c "$conf" backup make
    fi
    echo $? >"$work/made"
    echo "ended   $(date -u +%Y-%m-%dT%H:%M:%SZ)"
} >"$work/report" 2>&1
made=$(cat "$work/made")
case $made in
0) text="backup done" status=0 ;;
2) text="backup done, but the remote place has not got it; it is sent again next time" status=2 ;;
*) text="BACKUP FAILED" status=1 ;;
esac
if [ $status -ne 1 ]; then # while nothing comes, nothing goes
    "$BASCULE" -c "$conf" backup prune >>"$work/report" 2>&1 || text="$text; old backups could not be removed"
fi
echo "result  $text" >>"$work/report"
cat "$work/report"
if [ -d "$BACKUP_DIR" ]; then
    cp "$work/report" "$BACKUP_DIR/backup_report_$stamp.txt" || echo "${0##*/}: the report could not be kept in \"$BACKUP_DIR\"" >&2
fi
slack "AKIG: $text. $(grep -v '^BACKUP REPORT\|^began\|^ended\|^result' "$work/report" | tail -n 3)"
exit $status
