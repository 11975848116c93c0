#!/usr/bin/env bash
# postgres.sh PREFIX: Debian's PostgreSQL server without root. Its security suite follows a release within
# a day, which the wheels on the package index do not.
. "$(dirname "$(readlink -f "$0")")/debtree.sh"

RELEASE=$(. /etc/os-release 2>/dev/null && echo "${ID:-}${VERSION_ID:-}")
case $RELEASE in
    debian12) MAJOR=15 ;;
    debian13) MAJOR=17 ;;
    *) echo "postgres: unpacking is known for Debian 12 and 13 only" >&2; exit 1 ;;
esac
tree_open postgres "${1:?usage: postgres.sh PREFIX}" "postgres-$MAJOR-1" version
tree_sources_of_host
tree_unpack 'libc6|libc-bin|postgresql-common.*|postgresql-client-common|libllvm.*|libz3-4|python3.*|libjson-perl|libipc-run-perl' \
    "postgresql-$MAJOR"

SERVER=usr/lib/postgresql/$MAJOR
for program in initdb postgres psql pg_dump pg_restore; do
    tree_wrapper "$program" "$SERVER/bin/$program"
done
printf '#!/bin/sh\nexec "${0%%/*}/postgres" --version\n' >"$TREE/bin/version"
chmod 755 "$TREE/bin/version"
rm -rf "$TREE/$SERVER/lib/llvmjit.so" "$TREE/$SERVER/lib/bitcode"   # no JIT: it would bring 120 MB of LLVM
tree_needs "$LIBRARIES" "$TREE/$SERVER/bin/postgres" "$TREE/$SERVER/bin/psql"
tree_close
