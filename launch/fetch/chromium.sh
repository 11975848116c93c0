#!/usr/bin/env bash
# chromium.sh PREFIX: headless Chromium with Latin and Chinese fonts, without root, for tests and `make call`.
#
# It runs on the machine's own C library: it starts itself again through /proc/self/exe, so a private
# loader (as in asterisk.sh) cannot start it.
. "$(dirname "$(readlink -f "$0")")/debtree.sh"

tree_open chromium "${1:?usage: chromium.sh PREFIX}" chromium-3 version
tree_sources_of_host
# Drivers of graphics cards, GTK and printing are not used headless.
tree_unpack 'libc6|libc-bin|libllvm.*|libgl1-mesa-dri|libz3-4|libglx-mesa0|libgl1|libglx0|libglapi-mesa|adwaita-icon-theme|hicolor-icon-theme|libgtk-3-.*|gtk-update-icon-cache|dconf-.*|libdconf1|libcolord2|libepoxy0|libdrm-(intel|radeon|nouveau|amdgpu).*|libpciaccess0|libsensors.*|xkb-data|libsqlite3-0-dev|libcairo-gobject2' \
    chromium libatomic1 fonts-liberation fonts-wqy-microhei

rm -rf "$TREE"/usr/lib/chromium/{chrome-sandbox,libVkLayer_*,libVkICD_*,*.TOC} "$TREE"/etc/chromium*
mkdir -p "$TREE/etc/fonts"
# Only this tree's fonts, found from this file, so that a page looks the same on every machine.
cat >"$TREE/etc/fonts/seatline.conf" <<'F'
<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "urn:fontconfig:fonts.dtd">
<fontconfig>
  <dir prefix="relative">../../usr/share/fonts</dir>
  <cachedir prefix="xdg">fontconfig</cachedir>
  <alias><family>sans-serif</family><prefer><family>Liberation Sans</family><family>WenQuanYi Micro Hei</family></prefer></alias>
  <alias><family>serif</family><prefer><family>Liberation Serif</family><family>WenQuanYi Micro Hei</family></prefer></alias>
  <alias><family>monospace</family><prefer><family>Liberation Mono</family><family>WenQuanYi Micro Hei Mono</family></prefer></alias>
  <alias><family>system-ui</family><prefer><family>Liberation Sans</family></prefer></alias>
  <alias binding="same"><family>Arial</family><accept><family>Liberation Sans</family></accept></alias>
  <alias binding="same"><family>Helvetica</family><accept><family>Liberation Sans</family></accept></alias>
  <alias binding="same"><family>Times New Roman</family><accept><family>Liberation Serif</family></accept></alias>
  <alias binding="same"><family>Courier New</family><accept><family>Liberation Mono</family></accept></alias>
  <match target="pattern"><edit name="hinting" mode="assign"><bool>false</bool></edit></match>
</fontconfig>
F
tree_wrapper chromium usr/lib/chromium/chromium \
    'export FONTCONFIG_FILE="$P/etc/fonts/seatline.conf" LD_LIBRARY_PATH="$L:$L/nss:$L/pulseaudio" CHROME_WRAPPER="$0"'
printf '#!/bin/sh\nexec "${0%%/*}/chromium" --version\n' >"$TREE/bin/version"
chmod 755 "$TREE/bin/version"
# Playwright's own Node needs libatomic, which a minimal Debian lacks: alone in a folder, for LD_LIBRARY_PATH.
mkdir "$TREE/compat"
cp -L "$LIBRARIES/libatomic.so.1" "$TREE/compat/"
tree_needs "$LIBRARIES:$LIBRARIES/nss:$LIBRARIES/pulseaudio" "$TREE"/usr/lib/chromium/{chromium,*.so*}
tree_close
