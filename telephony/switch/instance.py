"""Writes a whole Asterisk 22 instance as plain files: configuration, spool, log, run.

Everything listens on 127.0.0.1 only. A trunk is known by its address, and by a password beside it where
its carrier signs in; an agent's phone may only ask the application, and nobody else gets an answer: there
is no anonymous endpoint. No call
detail record is written by the switch and no caller's number reaches its logs in ordinary work
(the application keeps the books). What was measured and tried stands behind each unusual line as a
comment.

Source of the options: Asterisk 22's own configuration documentation.
"""

import dataclasses
import datetime as dt
import ipaddress
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import psutil

from telephony.switch.login import Login, keep_apart
from telephony.switch.port import SILENCE_OF_A_PERSON

APPLICATION: Final = "seatline"
ARI_USER: Final = "seatline"
AGENT_CONTEXT: Final = "from-agent"
ECHO: Final = "echo"
"""What an agent's phone calls to hear itself: the way to the switch and back is measured by it."""
CARRIER: Final = "carrier"  # the trunk that leads out
_TRUNKS: Final = "trunks"  # what the carriers that bring calls sign in with
DETECTION: Final = "machine-detection"
NOWHERE: Final = "nowhere"
BIND: Final = "127.0.0.1"
RTP_TIMEOUT_S: Final = 30

REQUIRED_MODULES: Final = (
    # With autoload off nothing is pulled in silently, and a module that declines is only a log
    # line: whoever starts the instance compares this list with what is loaded (`Switch.facts`).
    "pbx_config",
    "res_timing_timerfd",
    "res_sorcery_config",
    "res_sorcery_memory",
    "res_sorcery_astdb",
    "res_pjproject",
    "res_pjsip",
    "res_pjsip_pubsub",
    "res_pjsip_session",
    "res_pjsip_authenticator_digest",
    "res_pjsip_outbound_authenticator_digest",
    "res_pjsip_endpoint_identifier_ip",
    "res_pjsip_endpoint_identifier_user",
    "res_pjsip_registrar",
    "res_pjsip_sdp_rtp",
    "res_pjsip_rfc3326",
    "res_pjsip_dtmf_info",
    "res_pjsip_caller_id",
    "res_pjsip_nat",
    "res_pjsip_acl",
    "res_pjsip_transport_websocket",
    "res_pjsip_header_funcs",
    "res_pjsip_dlg_options",
    "res_pjsip_empty_info",
    "res_http_websocket",
    "res_websocket_client",
    "res_rtp_asterisk",
    "res_srtp",
    "res_crypto",
    "chan_pjsip",
    "chan_bridge_media",
    "codec_ulaw",
    "codec_alaw",
    "codec_a_mu",
    "codec_g722",
    "codec_resample",
    "codec_opus_open_source",
    "res_format_attr_opus",
    "format_wav",
    "format_pcm",
    "format_sln",
    "res_stasis",
    "res_stasis_answer",
    "res_stasis_playback",
    "res_stasis_recording",
    "res_stasis_snoop",
    "app_stasis",
    "res_ari",
    "res_ari_model",
    "res_ari_applications",
    "res_ari_asterisk",
    "res_ari_bridges",
    "res_ari_channels",
    "res_ari_endpoints",
    "res_ari_events",
    "res_ari_playbacks",
    "res_ari_recordings",
    "bridge_simple",
    "bridge_native_rtp",
    "bridge_softmix",
    "bridge_holding",
    "app_amd",
    "app_echo",
    "app_playback",
    "app_playtones",
    "res_musiconhold",
    "func_channel",
    "func_callerid",
    "func_groupcount",
    "func_timeout",
    "func_strings",
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Where the switch listens, on 127.0.0.1: ARI and WebRTC signalling, SIP (UDP), media (UDP)."""

    http: int
    sip: int
    rtp_first: int
    rtp_last: int


def write_instance(
    tree: Path,
    home: Path,
    *,
    ports: Ports,
    ari_password: str,
    trunk_addresses: tuple[str, ...],
    recording_dir: Path,
    sounds_dir: Path,
    carrier: str | None = None,
    carrier_login: Login | None = None,
    trunk_login: Login | None = None,
    extra: Mapping[str, str] | None = None,
) -> list[str]:
    """Write the instance and return the command that runs it in the foreground.

    Writing again over an instance that is down is safe and brings it up to date.

    Args:
        tree: the unpacked Asterisk 22 (its `bin/asterisk` starts it).
        home: the instance's own folder; made, with `etc`, `log`, `run`, `spool`.
        ports: where it listens.
        ari_password: of the one ARI user; stands in a file only the owner can read.
        trunk_addresses: the carriers, each an IPv4 address of its own; the n-th is named `trunk-n`.
        recording_dir: where finished recordings appear as `<name>.wav`.
        sounds_dir: where our announcements stand; made when missing.
        carrier: `address:port` (IPv4, UDP) that takes the calls out; None: no call can go out.
        carrier_login: what we sign in with when that carrier asks.
        trunk_login: what carriers sign in with when they bring a call; None: their address is enough.
        extra: text added to the named files (`pjsip.conf`, ...); benchmarks and tests only.

    Raises:
        ValueError: a trunk address that is no IPv4 address, a carrier without address or port, or one
            password for both ways (`LoginError`).
    """
    keep_apart(carrier_login, trunk_login)
    tree, home = tree.resolve(), home.resolve()
    for folder in ("etc", "lib", "keys/keys", "spool/tmp", "log", "run", "cache"):
        _make(home / folder)
    _make(recording_dir)
    _make(sounds_dir)
    _point(home / "spool/recording", recording_dir.resolve())

    files = dict.fromkeys(_EMPTY, "") | {
        "asterisk.conf": _asterisk_conf(tree, home),
        "modules.conf": _modules_conf(tree),
        "logger.conf": _LOGGER_CONF,
        "http.conf": _http_conf(ports),
        "ari.conf": _ari_conf(ari_password),
        "rtp.conf": _rtp_conf(ports),
        "musiconhold.conf": f"[default]\nmode = files\ndirectory = {tree}/usr/share/asterisk/moh\n",
        "indications.conf": _INDICATIONS_CONF,
        "extensions.conf": _EXTENSIONS_CONF,
        "sorcery.conf": _SORCERY_CONF,
        "pjsip.conf": _pjsip_conf(ports, trunk_addresses, trunk_login)
        + (_carrier_conf(carrier, carrier_login) if carrier else ""),
        "amd.conf": _AMD_CONF,
        "stasis.conf": "[threadpool]\ninitial_size = 5\nidle_timeout_sec = 20\nmax_size = 50\n",
        "pjproject.conf": _PJPROJECT_CONF,
        "cdr.conf": "[general]\nenable = no\n",
        "cel.conf": "[general]\nenable = no\n",
        "manager.conf": "[general]\nenabled = no\n",
    }
    for name, more in (extra or {}).items():
        files[name] = files.get(name, "") + "\n" + more
    for name, text in files.items():
        _write(home / "etc" / name, text, mode=0o600 if name in _SECRET else 0o640)
    # -C needs an absolute path: a relative one silently falls back to built-in defaults.
    return [str(tree / "bin/asterisk"), "-f", "-C", str(home / "etc/asterisk.conf")]


_SECRET: Final = frozenset({"ari.conf", "pjsip.conf"})
# Absent files are an error line each at every start; empty ones are not.
_EMPTY: Final = (
    "acl.conf",
    "ccss.conf",
    "cli_aliases.conf",
    "codecs.conf",
    "features.conf",
    "geolocation.conf",
    "pjsip_wizard.conf",
    "udptl.conf",
    "websocket_client.conf",
)


def _make(folder: Path) -> None:
    folder.mkdir(mode=0o750, parents=True, exist_ok=True)


def _point(link: Path, target: Path) -> None:
    # Asterisk records below its spool and nowhere else; a link puts that where we want it.
    if link.is_symlink():
        link.unlink()
    link.symlink_to(target)


def _write(path: Path, text: str, *, mode: int) -> None:
    # Made with its final mode, so that a secret is never readable in between.
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)


def _library(tree: Path) -> Path:
    return tree / "usr/lib/x86_64-linux-gnu"


def _asterisk_conf(tree: Path, home: Path) -> str:
    return f"""[directories]
astcachedir => {home}/cache
astetcdir => {home}/etc
astmoddir => {_library(tree)}/asterisk/modules
astvarlibdir => {home}/lib
astdbdir => {home}/lib
astkeydir => {home}/keys
astdatadir => {tree}/usr/share/asterisk
astagidir => {tree}/usr/share/asterisk/agi-bin
astspooldir => {home}/spool
astrundir => {home}/run
astlogdir => {home}/log
astsbindir => {tree}/usr/sbin

[options]
nocolor = yes
documentation_language = en_US
live_dangerously = no
; the last line of defence; admission is decided by the application long before
maxcalls = 2000
transmit_silence = yes
"""


def _modules_conf(tree: Path) -> str:
    there = _library(tree) / "asterisk/modules"
    lines = [f"load = {name}.so" for name in REQUIRED_MODULES if (there / f"{name}.so").exists()]
    return "[modules]\nautoload = no\n" + "\n".join(lines) + "\n"


_LOGGER_CONF: Final = """[general]
dateformat = %F %T.%3q
use_callids = yes
[logfiles]
; neither `notice` nor `security`: those repeat the numbers of whoever is turned away, and a carrier that
; calls from an address we do not know yet brings honest callers
messages = warning,error
console = warning,error
"""

# What PJSIP says of a packet it cannot read is the packet, numbers and all: to nobody, like debugging.
_PJPROJECT_CONF: Final = """[startup]
type = startup
log_level = default
[log_mappings]
type = log_mappings
asterisk_error = 0
asterisk_debug = 1,2,3,4,5,6
"""


def _http_conf(ports: Ports) -> str:
    # ARI and the phones' websocket share this port; a proxy in front may pass only /ws.
    return f"""[general]
servername = pbx
enabled = yes
enable_status = no
enable_static = no
bindaddr = {BIND}
bindport = {ports.http}
sessionlimit = 4000
session_inactivity = 30000
session_keep_alive = 60000
"""


def _ari_conf(password: str) -> str:
    return f"""[general]
enabled = yes
pretty = no
allowed_origins =
websocket_write_timeout = 500
[{ARI_USER}]
type = user
read_only = no
password = {password}
"""


def _rtp_conf(ports: Ports) -> str:
    # Asterisk gathers the addresses of every interface and never 127.0.0.1: each of the machine's
    # own addresses is shown to the browser as 127.0.0.1, so that no media leaves the machine.
    shown = "".join(f"{address} => {BIND}\n" for address in _own_addresses())
    return f"""[general]
rtpstart = {ports.rtp_first}
rtpend = {ports.rtp_last}
icesupport = yes
strictrtp = yes
; no stunaddr, no turnaddr
[ice_host_candidates]
{shown}"""


def _own_addresses() -> list[str]:
    found: set[str] = set()
    for addresses in psutil.net_if_addrs().values():
        for entry in addresses:
            try:
                address = ipaddress.ip_address(entry.address.partition("%")[0])
            except ValueError:  # a hardware address
                continue
            if not address.is_loopback:
                found.add(str(address))
    return sorted(found)


def _one_address(text: str) -> ipaddress.IPv4Address:
    try:
        return ipaddress.IPv4Address(text)
    except ValueError as error:
        message = "a trunk is known by one IPv4 address"
        raise ValueError(message) from error


_INDICATIONS_CONF: Final = """[general]
country = us
[us]
description = ITU-T E.180 pairs
ringcadence = 2000,4000
dial = 350+440
busy = 480+620/500,0/500
ring = 440+480/2000,0/4000
congestion = 480+620/250,0/250
callwaiting = 440/300,0/10000
dialrecall = !350+440/100,!0/100,!350+440/100,!0/100,!350+440/100,!0/100,350+440
record = 1400/500,0/15000
info = !950/330,!1400/330,!1800/330,0
stutter = !350+440/100,!0/100,!350+440/100,!0/100,350+440
"""

# When the application is away Stasis() fails at once and the dialplan goes on: the caller hears,
# unanswered and therefore unbilled, to call again later, and the carrier gets 503: never silence.
_EXTENSIONS_CONF: Final = f"""[general]
static = yes
writeprotect = yes
clearglobalvars = no

; callers from a trunk: the application alone decides. What was dialled comes over the wire: a bracket in it
; would swallow the name of the trunk, so whatever is more than digits is nobody's number
[from-trunk]
exten => _[+0-9]!,1,GotoIf($["${{FILTER(+0-9,${{EXTEN}})}}" = "${{EXTEN}}"]?ask)
 same => n,Hangup(1)
 same => n(ask),Stasis({APPLICATION},inbound,${{EXTEN}},${{CHANNEL(endpoint)}})
 same => n,GotoIf($["${{STASISSTATUS}}" = "SUCCESS"]?over)
 same => n,Progress()
 same => n,Playback(please-try-call-later,noanswer)
 same => n,GotoIf($["${{PLAYBACKSTATUS}}" = "SUCCESS"]?over)
 same => n,Playtones(congestion)
 same => n,Wait(4)
 same => n(over),Hangup(42)

; an agent's phone may start nothing by itself: no dialplan reaches a trunk
[{AGENT_CONTEXT}]
exten => _[+*#0-9]!,1,GotoIf($["${{FILTER(+*#0-9,${{EXTEN}})}}" = "${{EXTEN}}"]?ask)
 same => n,Hangup(1)
 same => n(ask),Stasis({APPLICATION},agent-dial,${{EXTEN}},${{CHANNEL(endpoint)}})
 same => n,Hangup(42)

; but it may hear itself, once at a time and for a quarter of a minute: nothing of it reaches the application
exten => {ECHO},1,Set(GROUP({ECHO})=${{CHANNEL(endpoint)}})
 same => n,GotoIf($[${{GROUP_COUNT(${{CHANNEL(endpoint)}}@{ECHO})}} > 1]?busy)
 same => n,Set(TIMEOUT(absolute)=15)
 same => n,Answer()
 same => n,Echo()
 same => n,Hangup(16)
 same => n(busy),Hangup(17)

; where a carrier that answers "moved" (302) would send a call on to: no number is there
[{NOWHERE}]

; an originated call that was answered: listen, and give it back with what was heard
[{DETECTION}]
exten => s,1,AMD()
 same => n,Stasis({APPLICATION},detected,${{AMDSTATUS}})
 same => n,Hangup(16)
"""

# A person says hello and waits; a machine goes on. Silence after at most 1.5 s of speech is a person, more
# speech a machine; at most 3.5 s are spent on it.
_AMD_CONF: Final = f"""[general]
initial_silence = 2500
greeting = 1500
after_greeting_silence = {SILENCE_OF_A_PERSON // dt.timedelta(milliseconds=1)}
total_analysis_time = 3500
silence_threshold = 256
min_word_length = 100
maximum_word_length = 4000
between_words_silence = 50
maximum_number_of_words = 4
"""

# First the files, then memory: what the application makes at run time is never written to disk,
# and a phone's contact (its address) is not either.
_SORCERY_CONF: Final = """[res_pjsip]
endpoint = config,pjsip.conf,criteria=type=endpoint
endpoint = memory
auth = config,pjsip.conf,criteria=type=auth
auth = memory
aor = config,pjsip.conf,criteria=type=aor
aor = memory
contact = memory
[res_pjsip_endpoint_identifier_ip]
identify = config,pjsip.conf,criteria=type=identify
"""


def _auth_conf(name: str, login: Login) -> str:
    return f"""[{name}]
type = auth
auth_type = userpass
username = {login.user}
password = {login.password}
"""


def _carrier_conf(carrier: str, login: Login | None) -> str:
    # Nobody is identified by it: what it sends within a call we placed belongs to that call, and calls of
    # its own come over a trunk.
    address, colon, port = carrier.partition(":")
    if not colon or not port.isdecimal():
        message = "a carrier is written address:port"
        raise ValueError(message)
    return f"""
[{CARRIER}]
type = endpoint
transport = udp
{f"outbound_auth = {CARRIER}" if login else "; it asks for no password"}
; no address is its own, and a name in `From` is anybody's to write
identify_by = ip
; a redirect is followed in the dialplan, never by SIP itself; from this context it leads nowhere
context = {NOWHERE}
redirect_method = user
disallow = all
allow = ulaw,alaw
aors = {CARRIER}
direct_media = no
rtp_symmetric = yes
force_rport = yes
dtmf_mode = rfc4733
rtp_timeout = {RTP_TIMEOUT_S}
rtp_timeout_hold = {RTP_TIMEOUT_S * 10}
allow_transfer = no
allow_subscribe = no
media_address = {BIND}
bind_rtp_to_media_address = yes
[{CARRIER}]
type = aor
contact = sip:{_one_address(address)}:{int(port)}
{_auth_conf(CARRIER, login) if login else ""}"""


def _pjsip_conf(ports: Ports, trunk_addresses: tuple[str, ...], login: Login | None) -> str:
    trunks = "".join(
        f"""
[trunk-{number}]
type = endpoint
transport = udp
context = from-trunk
; never by the name in `From`, which is anybody's to write
identify_by = ip
{f"auth = {_TRUNKS}" if login else "; its address is enough"}
disallow = all
allow = ulaw,alaw
direct_media = no
rtp_symmetric = yes
force_rport = yes
dtmf_mode = rfc4733
rtp_timeout = {RTP_TIMEOUT_S}
rtp_timeout_hold = {RTP_TIMEOUT_S * 10}
allow_transfer = no
allow_subscribe = no
trust_id_inbound = yes
media_address = {BIND}
bind_rtp_to_media_address = yes
[trunk-{number}]
type = identify
endpoint = trunk-{number}
match = {_one_address(address)}/32
"""
        for number, address in enumerate(trunk_addresses, start=1)
    )
    return f"""[global]
type = global
user_agent = pbx
; A match by address wins over the user name, so each role needs an address of its own.
endpoint_identifier_order = ip,username
default_realm = pbx
unidentified_request_count = 5
unidentified_request_period = 5
unidentified_request_prune_interval = 30
; With `global`, pushing endpoints quickly makes PJSIP drop unrelated requests.
taskprocessor_overload_trigger = pjsip_only

[system]
type = system
timer_t1 = 500
timer_b = 32000
disable_tcp_switch = yes

[udp]
type = transport
protocol = udp
bind = {BIND}:{ports.sip}

[ws]
type = transport
protocol = ws
bind = {BIND}
{_auth_conf(_TRUNKS, login) if login else ""}{trunks}"""
