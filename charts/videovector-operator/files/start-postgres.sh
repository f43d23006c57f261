#!/bin/sh
# Starts PostgreSQL from any image that has initdb and postgres; makes the cluster and the database "videovector" at the
# first start. The role's password is set at every start, so the Secret is always right, also for an older volume.
#
# Environment: PGDATA, POSTGRES_BIN (may be empty), PASSWORD_FILE, SOCKET_DIRECTORY. Arguments: more options of postgres.
set -eu
umask 077
PATH="${POSTGRES_BIN:+$POSTGRES_BIN:}$PATH"

run_sql() { # data directory; SQL comes on stdin, so that no process list shows it
    postgres --single -D "$1" -c log_statement=none -c log_min_error_statement=panic template1 >/dev/null
}

if [ ! -s "$PGDATA/PG_VERSION" ]; then
    # Made beside its place and moved there complete: a pod that is killed in the middle starts afresh.
    rm -rf "$PGDATA.new"
    initdb --pgdata="$PGDATA.new" --username=videovector --pwfile="$PASSWORD_FILE" \
        --auth-local=trust --auth-host=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8
    echo "host all all all scram-sha-256" >>"$PGDATA.new/pg_hba.conf"
    echo "CREATE DATABASE videovector" | run_sql "$PGDATA.new"
    mv "$PGDATA.new" "$PGDATA"
fi
printf "ALTER ROLE videovector PASSWORD '%s'\n" "$(sed "s/'/''/g" "$PASSWORD_FILE")" | run_sql "$PGDATA"

postgres -D "$PGDATA" -c "unix_socket_directories=$SOCKET_DIRECTORY" "$@" &
server=$!
# Kubernetes sends TERM, which would wait for every client to go; INT ends their sessions and shuts down cleanly.
trap 'kill -INT "$server"' TERM INT
status=0
while kill -0 "$server" 2>/dev/null; do
    wait "$server" && status=0 || status=$?
done
exit "$status"
