// The ring: a tone, the tab's title, a notice of the operating system, one sentence for screen readers.

const TONE_HZ = [440, 480];
const ON_S = 1;
const OFF_S = 1.6;
const LOUD = 0.12;

let audio: AudioContext | null = null;

function context(): AudioContext {
  audio ??= new AudioContext();
  return audio;
}

/** Browsers let a page sound only after a gesture; take the first one. */
export function unlock(): void {
  const go = (): void => void context().resume();
  addEventListener("pointerdown", go, { once: true });
  addEventListener("keydown", go, { once: true });
}

/** Where a sound goes: to the system's own device, or to one that was chosen. */
export class Outlet {
  private element: HTMLAudioElement | null = null;
  private node: MediaStreamAudioDestinationNode | null = null;

  /** Send what follows to a device by its id; "" is the system's own, and so is one that is gone. */
  async to(device: string): Promise<void> {
    this.element?.pause();
    this.element = this.node = null;
    if (!device || !("setSinkId" in HTMLMediaElement.prototype)) return;
    const element = new Audio();
    const node = context().createMediaStreamDestination();
    element.srcObject = node.stream;
    try {
      await element.setSinkId(device);
      void element.play().catch(() => undefined);
      [this.element, this.node] = [element, node];
    } catch {
      /* the device is not there today */
    }
  }

  get end(): AudioNode {
    if (this.element?.paused) void this.element.play().catch(() => undefined);
    return this.node ?? context().destination;
  }
}

function burst(sound: AudioContext, at: number, outlet: Outlet): OscillatorNode[] {
  const gain = sound.createGain();
  gain.connect(outlet.end);
  gain.gain.setValueAtTime(0, at);
  gain.gain.linearRampToValueAtTime(LOUD, at + 0.02);
  gain.gain.setValueAtTime(LOUD, at + ON_S - 0.03);
  gain.gain.linearRampToValueAtTime(0, at + ON_S);
  return TONE_HZ.map((hertz) => {
    const tone = sound.createOscillator();
    tone.frequency.value = hertz;
    tone.connect(gain);
    tone.start(at);
    tone.stop(at + ON_S);
    return tone;
  });
}

const BACK_HZ = 425; // ITU-T E.180: what a caller hears while it rings there
const BACK_ON_S = 1;
const BACK_EVERY_S = 5;

/** The tone in the agent's ear while the number they dialled rings. */
export class Ringback {
  private timer = 0;
  private tone: OscillatorNode | null = null;

  constructor(private readonly outlet: Outlet) {}

  /** Sound while `isOn`; the same again changes nothing. */
  turn(isOn: boolean): void {
    if (isOn === !!this.timer) return;
    clearInterval(this.timer);
    this.tone?.disconnect();
    this.tone = null;
    this.timer = 0;
    if (!isOn) return;
    const round = (): void => {
      const sound = context();
      if (sound.state !== "running") return;
      const tone = sound.createOscillator();
      const gain = sound.createGain();
      gain.gain.value = LOUD / 2;
      tone.frequency.value = BACK_HZ;
      tone.connect(gain).connect(this.outlet.end);
      tone.start();
      tone.stop(sound.currentTime + BACK_ON_S);
      this.tone = tone;
    };
    round();
    this.timer = window.setInterval(round, BACK_EVERY_S * 1000);
  }
}

const ZIP_HZ = 880;
const ZIP_S = 0.09;

/** Two short tones in the agent's ear: a call is about to be answered for them. Resolves when they are over. */
export async function zip(outlet: Outlet): Promise<void> {
  const sound = context();
  const at = sound.currentTime + 0.01;
  for (const start of [at, at + 2 * ZIP_S]) {
    const tone = sound.createOscillator();
    const gain = sound.createGain();
    gain.gain.value = LOUD;
    tone.frequency.value = ZIP_HZ;
    tone.connect(gain).connect(outlet.end);
    tone.start(start);
    tone.stop(start + ZIP_S);
  }
  await new Promise((resolve) => setTimeout(resolve, 4000 * ZIP_S));
}

export class Ring {
  constructor(private readonly outlet: Outlet) {}

  private timer = 0;
  private flash = 0;
  private tones: OscillatorNode[] = [];
  private title = "";
  private notice: Notification | null = null;

  /** Sound until `stop`. */
  start(words: { title: string; notice: string }): void {
    this.stop();
    const round = (): void => {
      const sound = context();
      if (sound.state === "running") this.tones = burst(sound, sound.currentTime + 0.01, this.outlet);
    };
    round();
    this.timer = window.setInterval(round, (ON_S + OFF_S) * 1000);
    this.title = document.title;
    let on = false;
    this.flash = window.setInterval(() => {
      on = !on;
      document.title = on ? `● ${words.title}` : this.title;
    }, 900);
    document.title = `● ${words.title}`;
    // no name in it: operating systems keep notices
    if (document.hidden && "Notification" in window && Notification.permission === "granted")
      this.notice = new Notification(words.title, { body: words.notice, tag: "seatline-call", requireInteraction: true });
  }

  stop(): void {
    clearInterval(this.timer);
    clearInterval(this.flash);
    for (const tone of this.tones) {
      tone.onended = null;
      tone.disconnect();
    }
    this.tones = [];
    if (this.title) document.title = this.title;
    this.title = "";
    this.notice?.close();
    this.notice = null;
  }
}

/** One burst, so that the agent can set the volume. */
export async function sample(outlet: Outlet): Promise<void> {
  const sound = context();
  await sound.resume();
  burst(sound, sound.currentTime + 0.01, outlet);
}

/** Loudness of a stream between 0 and 100, told ten times a second until the returned function is called. */
export function listen(stream: MediaStream, level: (percent: number) => void): () => void {
  const sound = context();
  void sound.resume();
  const source = sound.createMediaStreamSource(stream);
  const analyser = sound.createAnalyser();
  analyser.fftSize = 1024;
  source.connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  const timer = window.setInterval(() => {
    analyser.getFloatTimeDomainData(samples);
    const power = samples.reduce((sum, value) => sum + value * value, 0) / samples.length;
    const decibels = 10 * Math.log10(power + 1e-10);
    level(Math.min(100, Math.max(0, ((decibels + 60) / 50) * 100)));
  }, 100);
  return () => {
    clearInterval(timer);
    source.disconnect();
  };
}
