/*! JsSIP 3.13.8 (MIT), see LICENSES.txt */
// The softphone: one registered user agent, at most one session. It knows SIP and sound, not offers or pages.
import JsSIP from "jssip";
import type { IncomingRTCSessionEvent, UA } from "jssip/lib/UA";
import type { IncomingRequest } from "jssip/lib/SIPMessage";
import type { RTCSession } from "jssip/lib/RTCSession";
import type { Sip } from "./state";

const OFFER_HEADER = "X-Seatline-Offer";
const WATCH_HEADER = "X-Seatline-Watch"; // a team leader is put into another agent's call
const AUTO_HEADER = "X-Seatline-Auto"; // the called person is on the line already
const ECHO = "echo"; // where the switch sends back what it is sent
const REGISTER_EXPIRES_S = 60;
const CANDIDATES_MS = 60; // after the first candidate: the others of this machine come in the same breath
const AGAIN_MS = 2000;

export interface PhoneEvents {
  /** An INVITE came; nothing rings yet. `isAuto`: it is to be answered without being asked. */
  invited(offerId: string, isAuto: boolean): void;
  /** The switch puts a team leader into a call they asked for: answered at once. */
  watching(): void;
  /** The call is up in SIP. */
  up(): void;
  /** The session is gone. */
  over(): void;
  /** Registered, or not any more. */
  line(isRegistered: boolean, cause: string): void;
}

const LOOPBACK = /^a=candidate:\S+ \d+ \S+ \d+ 127\.0\.0\.1 /;

/**
 * Keep only the candidates of 127.0.0.1, and name no other address anywhere in the description.
 * A browser started without its loopback switch has no such candidate; then all stay, or the call would be silent.
 */
export function onlyLoopback(sdp: string): string {
  const lines = sdp.split("\r\n");
  if (!lines.some((line) => LOOPBACK.test(line))) return sdp;
  return lines
    .filter((line) => !line.startsWith("a=candidate:") || LOOPBACK.test(line))
    .map((line) => line.replace(/^(c=IN IP4) \S+/, "$1 127.0.0.1").replace(/^(a=rtcp:\d+ IN IP4) \S+/, "$1 127.0.0.1"))
    .join("\r\n");
}

export class Phone {
  private ua: UA | null = null;
  private session: RTCSession | null = null;
  private checking: RTCSession | null = null; // a call to the switch's echo, which gives way to any other
  private sip: Sip | null = null;
  private again = 0;
  private wanted = false;
  registered = false;

  constructor(
    private readonly far: HTMLAudioElement,
    private readonly events: PhoneEvents,
    private readonly microphone: () => Promise<MediaStream>,
  ) {}

  /** Register with these credentials; the same ones again change nothing. */
  start(sip: Sip): void {
    const wasGivenAway = !this.wanted;
    this.wanted = true;
    if (this.ua && this.sip && sip.endpoint === this.sip.endpoint && sip.password === this.sip.password && sip.ws_url === this.sip.ws_url) {
      if (wasGivenAway) this.ua.register();
      return;
    }
    this.drop();
    this.sip = sip;
    const ua = new JsSIP.UA({
      sockets: [new JsSIP.WebSocketInterface(sip.ws_url)],
      uri: `sip:${sip.endpoint}@${sip.domain ?? new URL(sip.ws_url).hostname}`,
      authorization_user: sip.endpoint,
      password: sip.password,
      register: true,
      register_expires: REGISTER_EXPIRES_S,
      session_timers: false,
      connection_recovery_min_interval: 1,
      connection_recovery_max_interval: 4,
      user_agent: "Seatline console",
    });
    this.ua = ua;
    ua.on("registered", () => {
      if (this.wanted) this.setLine(true, "");
      else ua.unregister(); // the line came back by itself, and is another tab's by now
    });
    ua.on("unregistered", () => this.setLine(false, "unregistered"));
    ua.on("registrationFailed", (event: { cause?: string }) => {
      this.setLine(false, event.cause ?? "");
      this.later();
    });
    ua.on("disconnected", () => this.setLine(false, "disconnected"));
    ua.on("newRTCSession", (event: { originator: string }) => {
      if (event.originator === "remote") this.take(event as unknown as IncomingRTCSessionEvent);
    });
    ua.start();
  }

  /** The network is back, or the tab was asleep: say so to the switch at once instead of at the next expiry. */
  refresh(): void {
    if (!this.ua || !this.wanted) return;
    if (this.ua.isConnected()) this.ua.register();
    else {
      const sip = this.sip;
      if (sip && !this.session) {
        this.drop();
        this.start(sip);
      }
    }
  }

  /** Unregister and let go of everything. */
  stop(): void {
    this.wanted = false;
    this.drop();
  }

  /**
   * Leave the line to another tab, but keep a call that is up, with its sound: the switch ends this leg when it has
   * joined the other tab's. False when there is no call; then nothing is left here.
   */
  giveAway(): boolean {
    if (!this.session || this.session.isEnded() || this.session.isInProgress()) {
      this.stop();
      return false;
    }
    this.wanted = false;
    this.registered = false;
    clearTimeout(this.again);
    this.ua?.unregister();
    return true;
  }

  get isUp(): boolean {
    return this.session?.isEstablished() ?? false;
  }

  get hasInvite(): boolean {
    return this.session?.isInProgress() ?? false;
  }

  async answer(isMuted = false): Promise<void> {
    const session = this.session;
    if (!session || !session.isInProgress()) throw new Error("no-call");
    const stream = await this.microphone();
    for (const track of stream.getAudioTracks()) track.enabled = !isMuted;
    if (!session.isInProgress()) throw new Error("no-call");
    session.answer({ mediaStream: stream, pcConfig: { iceServers: [], rtcpMuxPolicy: "require" } });
  }

  refuse(): void {
    if (this.session?.isInProgress()) this.session.terminate({ status_code: 486 });
  }

  /** End the call; false when there is none here (the server then has to). */
  hangUp(): boolean {
    if (!this.session || this.session.isEnded()) return false;
    this.session.terminate();
    return true;
  }

  mute(on: boolean): void {
    if (on) this.session?.mute({ audio: true });
    else this.session?.unmute({ audio: true });
  }

  digit(key: string): void {
    // RFC 4733 events through the sender's own DTMF; a SIP INFO only where the browser has none
    const sender = this.session?.connection?.getSenders().find((one) => one.dtmf?.canInsertDTMF);
    if (sender?.dtmf) sender.dtmf.insertDTMF(sender.dtmf.toneBuffer + key, 120, 70);
    else this.session?.sendDTMF(key);
  }

  async report(): Promise<RTCStatsReport | null> {
    const connection = this.session?.connection;
    return connection ? connection.getStats() : null;
  }

  /** Call the switch's echo for so long and return what was measured; null when that failed or a call came. */
  async measure(forMs: number): Promise<RTCStatsReport | null> {
    if (!this.ua || !this.sip || !this.registered || this.session || this.checking) return null;
    const stream = await this.microphone();
    const [ua, sip] = [this.ua, this.sip];
    const report = await new Promise<RTCStatsReport | null>((resolve) => {
      let found: RTCStatsReport | null = null;
      const made: RTCSession = ua.call(`sip:${ECHO}@${sip.domain ?? new URL(sip.ws_url).hostname}`, {
        mediaStream: stream,
        pcConfig: { iceServers: [], rtcpMuxPolicy: "require" },
        eventHandlers: {
          ...this.media(),
          confirmed: () =>
            window.setTimeout(() => {
              void (made.connection?.getStats() ?? Promise.resolve(null))
                .then((stats) => (found = stats))
                .finally(() => !made.isEnded() && made.terminate());
            }, forMs),
          ended: () => resolve(found),
          failed: () => resolve(null),
        },
      } as Parameters<UA["call"]>[1]);
      this.checking = made;
    });
    this.checking = null;
    stream.getTracks().forEach((track) => track.stop());
    if (!this.session) this.far.srcObject = null;
    return report;
  }

  private setLine(isRegistered: boolean, cause: string): void {
    this.registered = isRegistered;
    this.events.line(isRegistered, cause);
  }

  private later(): void {
    clearTimeout(this.again);
    this.again = window.setTimeout(() => {
      if (this.wanted && this.ua?.isConnected()) this.ua.register();
    }, AGAIN_MS);
  }

  private drop(): void {
    clearTimeout(this.again);
    (this.ua as unknown as { removeAllListeners(): void } | null)?.removeAllListeners();
    this.ua?.stop();
    this.ua = null;
    this.session = null;
    this.sip = null;
    this.registered = false;
  }

  /** What a session does with its description, its candidates and the sound that comes. */
  private media(): {
    sdp(event: { originator: string; sdp: string }): void;
    icecandidate(event: { candidate: RTCIceCandidate; ready: () => void }): void;
    peerconnection(event: { peerconnection: RTCPeerConnection }): void;
  } {
    const loopbackOnly = this.sip?.loopback_only ?? false;
    let settle = 0;
    return {
      sdp(event) {
        if (event.originator === "local" && loopbackOnly) event.sdp = onlyLoopback(event.sdp);
      },
      icecandidate(event) {
        const isUseful = !loopbackOnly || event.candidate.address === "127.0.0.1";
        clearTimeout(settle);
        settle = window.setTimeout(event.ready, isUseful ? CANDIDATES_MS : 4 * CANDIDATES_MS);
      },
      peerconnection: (event) => {
        event.peerconnection.addEventListener("track", (track) => {
          this.far.srcObject = track.streams[0] ?? new MediaStream([track.track]);
          void this.far.play().catch(() => undefined);
        });
      },
    };
  }

  private take({ session, request }: IncomingRTCSessionEvent): void {
    // The switch never rings a phone that has a call: a session still held here died with an earlier switch.
    const dead = this.session;
    this.session = session;
    if (dead && !dead.isEnded()) dead.terminate();
    if (this.checking && !this.checking.isEnded()) this.checking.terminate();
    const media = this.media();
    session.on("sdp", media.sdp);
    session.on("icecandidate", media.icecandidate);
    session.on("peerconnection", media.peerconnection);
    session.on("confirmed", () => this.events.up());
    const over = (): void => {
      if (this.session !== session) return;
      this.session = null;
      this.far.srcObject = null;
      if (!this.wanted) this.drop(); // the call has gone to the tab that took the line
      this.events.over();
    };
    session.on("ended", over);
    session.on("failed", over);
    const invite = request as IncomingRequest;
    if (invite.getHeader(WATCH_HEADER)) return this.events.watching();
    this.events.invited(invite.getHeader(OFFER_HEADER) ?? "", invite.getHeader(AUTO_HEADER) === "1");
  }
}
