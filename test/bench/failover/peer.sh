# bascule as a contender in a failover harness of network namespaces, whose shell library is sourced before and gives: on, start_on, sql, wait_for,
# addr, say, die, $WORK, $SUBNET, $PGBIN. Two data nodes with their agents, etcd with three members on hosts of their own, a controller (w1).
# SETTINGS is default or tuned (the shortest terms of the lease that make sense on a machine whose disk may take 100 ms), REPL async or sync.
PEER_NODES="n1 n2"
PEER_EXTRA="e1 e2 e3 w1"
PEER_CYCLE=3

bascule_bench=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
bascule_program=${BASCULE:-$bascule_bench/../../../build/src/cli/bascule}
case $SETTINGS in
    default) bascule_options= ;;
    tuned) bascule_options=--tuned ;;
    *) die "bascule: unknown settings $SETTINGS" ;;
esac
[ "$REPL" != sync ] || bascule_options="$bascule_options --sync"

peer_pgdata() { echo "$WORK/$1/data"; }

bascule_etcd() {
    local node cluster= a
    for node in e1 e2 e3; do cluster="$cluster,$node=http://$(addr $node):2380"; done
    for node in e1 e2 e3; do
        a=$(addr $node)
        start_on $node etcd etcd --name $node --data-dir "$WORK/$node/etcd" \
            --listen-peer-urls "http://$a:2380" --initial-advertise-peer-urls "http://$a:2380" \
            --listen-client-urls "http://$a:2379" --advertise-client-urls "http://$a:2379" \
            --initial-cluster "${cluster#,}" --initial-cluster-state new
    done
    wait_for etcd 30 on w1 curl -sf "http://$(addr e1):2379/health"
}

bascule_configure() {
    local node
    printf 'a secret of the members' >"$WORK/token"
    chown "$PGUSER_OS" "$WORK/token"
    chmod 600 "$WORK/token"
    for node in n1 n2 w1; do
        /usr/bin/python3 "$bascule_bench/pair.py" --folder "$WORK" --state "$WORK/$node/state" $bascule_options \
            n1="$(addr n1)" n2="$(addr n2)" e1="$(addr e1)" e2="$(addr e2)" e3="$(addr e3)" c1="$(addr w1)" >"$WORK/$node/bascule.yaml"
        chown -R "$PGUSER_OS" "$WORK/$node/state"
    done
}

bascule_agent() { start_on "$1" agent "$bascule_program" -c "$WORK/$1/bascule.yaml" agent "$2"; }

peer_up() {
    bascule_configure
    bascule_etcd
    on n1 initdb -D "$WORK/n1/data" -A trust -U postgres -k >"$WORK/log/n1-setup.log" 2>&1 || die "initdb"
    /usr/bin/python3 "$bascule_bench/pair.py" --server n1 --folder "$WORK" >>"$WORK/n1/data/postgresql.conf"
    printf 'host all all %s.0/24 trust\nhost replication all %s.0/24 trust\n' "$SUBNET" "$SUBNET" >>"$WORK/n1/data/pg_hba.conf"
    bascule_agent n1 production
    wait_for "the first primary" 60 sql n1 "SELECT 1/(NOT pg_is_in_recovery())::int"
    on n2 pg_basebackup -D "$WORK/n2/data" -X stream -c fast -R \
        -d "$(/usr/bin/python3 "$bascule_bench/pair.py" --standby dr --of "$(addr n1)")" >"$WORK/log/n2-setup.log" 2>&1 || die "pg_basebackup"
    sed -i "s|^unix_socket_directories = .*|unix_socket_directories = '$WORK/n2'|" "$WORK/n2/data/postgresql.conf"
    bascule_agent n2 dr
    start_on w1 edge /usr/bin/python3 "$bascule_bench/edge.py" "$(addr w1)" "$WORK/w1/state/users"
    start_on w1 serve "$bascule_program" -c "$WORK/w1/bascule.yaml" serve
    if [ "$REPL" = sync ]; then
        sql n1 "ALTER SYSTEM SET synchronous_standby_names = 'dr'"
        sql n1 "SELECT pg_reload_conf()" >/dev/null
    fi
    sleep 3 # as the others have it: the controller's first look at both
}
