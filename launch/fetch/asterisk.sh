#!/usr/bin/env bash
# asterisk.sh PREFIX: a private Asterisk 22 without root.
#
# Among Debian's suites only sid has it, so the tree brings its own C library and loader and runs on older
# releases too.
. "$(dirname "$(readlink -f "$0")")/debtree.sh"

tree_open asterisk "${1:?usage: asterisk.sh PREFIX}" asterisk-22-6 version
[ "$MULTIARCH" = x86_64-linux-gnu ] || fail "known for amd64 only"
tree_sources_of_suite sid
tree_unpack '' asterisk asterisk-core-sounds-en-wav asterisk-moh-opsound-wav

# what the packages' scripts would have done
ln -sfn en_US_f_Allison "$TREE/usr/share/asterisk/sounds/en"
rm -f "$TREE"/usr/share/asterisk/sounds/{custom,priv-callerintros,recordings}
cat >"$TREE/bin/asterisk" <<'W'
#!/bin/sh
# the tree's own loader and libraries; nothing of them leaks into the environment of its children
P=$(dirname "$(dirname "$(readlink -f "$0")")")
L=$P/usr/lib/x86_64-linux-gnu
exec "$L/ld-linux-x86-64.so.2" --library-path "$L" --argv0 asterisk "$P/usr/sbin/asterisk" "$@"
W
printf '#!/bin/sh\n"${0%%/*}/asterisk" -V | grep "^Asterisk 22[.]"\n' >"$TREE/bin/version"
chmod 755 "$TREE/bin/asterisk" "$TREE/bin/version"

for module in chan_pjsip res_pjsip res_pjsip_transport_websocket res_ari_channels res_srtp res_rtp_asterisk \
    codec_opus_open_source app_queue; do
    "$LIBRARIES/ld-linux-x86-64.so.2" --library-path "$LIBRARIES" \
        --list "$LIBRARIES/asterisk/modules/$module.so" >"$TREE/libraries" 2>&1 || true
    ! grep -q 'not found' "$TREE/libraries" || fail "module $module lacks: $(grep 'not found' "$TREE/libraries")"
done
rm -f "$TREE/libraries"
tree_close
