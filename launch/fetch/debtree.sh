# shellcheck shell=bash
# Unpack Debian packages, with all they need, into a folder. No root; nothing is installed.
#
# Sourced by postgres.sh, chromium.sh and asterisk.sh. apt resolves and downloads in a state of its own
# and checks signatures and hashes; dpkg-deb unpacks, so no maintainer script runs and the machine's own
# package database is not touched. A tree is made beside the old one and takes its place when it works:
# the last good tree stays when a fetch fails.
#
# The caller says:  tree_open NAME PREFIX STAMP PROBE     (leaves early when the tree is there already)
#                   tree_sources_of_host | tree_sources_of_suite SUITE
#                   tree_unpack SKIP-REGEX PACKAGE...
#                   tree_close
# Between them the new tree is $TREE and its libraries $LIBRARIES.
set -euo pipefail
umask 022
# the output of apt, dpkg and ldd is read below
export LC_ALL=C

# Not needed to run a program from a folder: the package system, init, login, caches. A library left out
# by mistake is found by tree_needs, which fails the fetch.
readonly NEVER='debconf|dpkg|tar|perl.*|libperl.*|adduser|passwd|base-files|usrmerge|init-system-helpers|sysvinit-utils|lsb-base|systemd.*|libpam.*|libsemanage.*|libsepol.*|libaudit.*|dbus|dbus-.*|libnss-systemd|mount|procps|dmsetup|libdevmapper.*|libcryptsetup.*|libkmod2|libfdisk1|libsmartcols1|libargon2-1|libjson-c5|libip4tc2|gcc-12-base|x11-common|xdg-utils|x11-utils|libfile-find-rule-perl|libnumber-compare-perl|libtext-glob-perl|shared-mime-info|ucf|sensible-utils|ssl-cert|openssl|readline-common|tzdata|locales|logrotate|netbase|lsof'

say() { echo "$NAME: $*"; }
fail() { echo "$NAME: $*" >&2; exit 1; }

tree_open() {
    NAME=$1 PREFIX=$(realpath -m "$2") STAMP=$3 PROBE=$4 STARTED=$SECONDS
    local tool
    for tool in apt-get dpkg dpkg-deb flock; do
        command -v "$tool" >/dev/null || fail "this needs Debian's $tool"
    done
    case $(dpkg --print-architecture) in
        amd64) MULTIARCH=x86_64-linux-gnu ;;
        arm64) MULTIARCH=aarch64-linux-gnu ;;
        *) fail "there are trees for amd64 and arm64 only" ;;
    esac
    mkdir -p "$(dirname "$PREFIX")"
    exec 9>"$PREFIX.lock"
    flock 9                          # a second fetch of the same tree waits, and then finds it done
    if [ -z "${REFRESH:-}" ] && [ "$(cat "$PREFIX/.installed" 2>/dev/null)" = "$STAMP" ] \
        && "$PREFIX/bin/$PROBE" >/dev/null 2>&1 9>&-; then
        exit 0
    fi
    TREE=$PREFIX.new APT=$PREFIX.apt LIBRARIES=$TREE/usr/lib/$MULTIARCH
    rm -rf "$TREE" "$APT"
    mkdir -p "$TREE/bin" "$APT"/{lists/partial,sources,archives/partial}
    trap 'rm -rf "$TREE" "$APT"' EXIT
    : >"$APT/status"
}

# The suites this machine runs on, so that the tree matches its C library. Not third parties' lists.
tree_sources_of_host() {
    local file
    for file in /etc/apt/sources.list /etc/apt/sources.list.d/debian.sources; do
        [ ! -s "$file" ] || cp "$file" "$APT/sources/host-${file##*/}"
    done
    # apt reads *.list and *.sources only
    [ ! -e "$APT/sources/host-sources.list" ] || sed -i '/cdrom:/d' "$APT/sources/host-sources.list"
    [ -n "$(ls "$APT/sources")" ] || fail "there are no Debian sources in /etc/apt"
    VALID_UNTIL=true
}

# One suite of Debian from the mirror this machine uses.
tree_sources_of_suite() {
    local keyring=/usr/share/keyrings/debian-archive-keyring.gpg mirror
    mirror=$({ cat /etc/apt/sources.list.d/debian.sources 2>/dev/null || true
               sed -n 's/^deb \(\[[^]]*\] \)\?/URIs: /p' /etc/apt/sources.list 2>/dev/null || true
             } | awk '$1 == "URIs:" && $2 ~ /^https?:.*debian/ {print $2; exit}')
    [ -n "$mirror" ] || fail "there is no Debian mirror in /etc/apt"
    [ -s "$keyring" ] || fail "the package debian-archive-keyring is missing"
    echo "deb [signed-by=$keyring] $mirror $1 main" >"$APT/sources/suite.list"
    # A mirror's copy of sid may be older than the week it vouches for; signatures are checked all the same.
    VALID_UNTIL=false
}

tree_unpack() {
    local skip=$NEVER${1:+|$1} wanted count name version
    local -a archives=()
    shift
    # Clears hooks of container images too, which would run as us after an update.
    cat >"$APT/apt.conf" <<C
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Post-Invoke;
Dir::Etc::sourcelist "/dev/null"; Dir::Etc::sourceparts "$APT/sources";
Dir::Etc::preferences "/dev/null"; Dir::Etc::preferencesparts "/dev/null";
Dir::State "$APT"; Dir::State::lists "$APT/lists"; Dir::State::status "$APT/status"; Dir::Log "$APT";
Dir::Cache "$APT"; Dir::Cache::archives "$APT/archives"; Dir::Cache::pkgcache ""; Dir::Cache::srcpkgcache "";
APT::Install-Recommends "false"; APT::Sandbox::User ""; Acquire::Languages "none";
APT::Architectures { "$(dpkg --print-architecture)"; };
Acquire::Retries "2"; Acquire::http::Timeout "30"; Acquire::https::Timeout "30";
Acquire::Check-Valid-Until "$VALID_UNTIL"; Acquire::GzipIndexes "true";
Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled "false";
C
    say "reading Debian's package lists"
    apt_get update || fail "the package lists could not be read: is the network up?"
    wanted=$(apt_get install -s "$@" | awk '/^Inst/ {gsub(/[()]/, "", $3); print $2 "=" $3}' \
        | grep -v -E "^($skip)=" | sort) || true
    [ -n "$wanted" ] || fail "Debian has no $* for this machine"
    count=$(wc -l <<<"$wanted")
    say "downloading $count packages"
    # shellcheck disable=SC2086  # one word per package
    (cd "$APT/archives" && apt_get download $wanted) || fail "the download stopped half-way"
    say "unpacking $(du -sm "$APT/archives" | cut -f1) MB of packages"
    for name in $wanted; do
        version=${name#*=}
        archives+=("$(ls "$APT/archives/${name%%=*}_${version//:/%3a}"_*.deb)")
    done
    printf '%s\0' "${archives[@]}" \
        | xargs -0 -P"$(nproc)" -n4 sh -c 'for f; do dpkg-deb -x "$f" "$0" || exit 255; done' "$TREE"
    (cd "$APT/archives" && sha256sum -- *.deb) >"$TREE/closure.sha256"
    rm -rf "$APT"
    if [ -d "$TREE/lib" ] && [ ! -L "$TREE/lib" ]; then      # /lib is /usr/lib, as on the machine
        cp -a "$TREE/lib/." "$TREE/usr/lib/"
        rm -rf "$TREE/lib"
    fi
    rm -rf "$TREE"/{var,sbin} "$TREE"/usr/include \
        "$TREE"/usr/share/{doc,man,locale,lintian,bug,info,help,gtk-doc,menu,applications,icons,bash-completion,zsh}
    # the tree belongs to whoever fetched it and is read by whoever runs it
    chmod -R u+rwX,go+rX-w "$TREE"
}

apt_get() { apt-get -qq -c "$APT/apt.conf" "$@" 9>&-; }

# tree_wrapper NAME PROGRAM [LINE]: bin/NAME, which finds its tree from its own path, wherever that is moved.
tree_wrapper() {
    cat >"$TREE/bin/$1" <<W
#!/bin/sh
P=\$(dirname "\$(dirname "\$(readlink -f "\$0")")")
L=\$P/usr/lib/$MULTIARCH
export LD_LIBRARY_PATH="\$L"
${3:-}
exec "\$P/$2" "\$@"
W
    chmod 755 "$TREE/bin/$1"
}

# tree_needs LIBRARY-PATH FILE...: every library comes from the tree or from the machine's C library.
tree_needs() {
    local path=$1 missing file
    shift
    missing=$(for file; do LD_LIBRARY_PATH=$path ldd "$file" 2>&1 | grep 'not found' || true; done | sort -u)
    [ -z "$missing" ] || fail "libraries are missing: $missing"
}

tree_close() {
    local old
    "$TREE/bin/$PROBE" >/dev/null 2>&1 9>&- || fail "the unpacked program does not run on this machine"
    printf %s "$STAMP" >"$TREE/.installed"
    old=$PREFIX.old
    rm -rf "$old"
    [ ! -e "$PREFIX" ] || mv "$PREFIX" "$old"
    mv "$TREE" "$PREFIX"
    rm -rf "$old"
    say "ready, $(du -sm "$PREFIX" | cut -f1) MB in $((SECONDS - STARTED)) s"
}
