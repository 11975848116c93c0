// Microphone, headset and ring: which devices, kept on this machine, and a check of each before a call needs them.
import { Outlet, listen, sample } from "./ring";

const KEY = "seatline-headset";
const LEVEL_MS = 10_000;
const HEAR_MS = 3000;
const LOUD_ENOUGH = 25;

interface Choices {
  mic: string;
  ear: string;
  ring: string;
  isAuto: boolean;
}

type Say = (key: string, values?: Record<string, string | number>) => string;

const get = <T extends HTMLElement>(id: string): T | null => document.getElementById(id) as T | null;

function read(): Choices {
  const none = { mic: "", ear: "", ring: "", isAuto: false };
  try {
    return { ...none, ...(JSON.parse(localStorage.getItem(KEY) ?? "{}") as Partial<Choices>) };
  } catch {
    return none;
  }
}

export class Headset {
  readonly choices = read();
  /** Where the ring sounds, and where the caller (and the tone before an automatic answer) does. */
  readonly ringOut = new Outlet();
  readonly earOut = new Outlet();
  private stream: MediaStream | null = null;
  private unlisten: (() => void) | null = null;

  constructor(
    private readonly say: Say,
    private readonly faulty: (error: unknown) => void,
    private readonly far: HTMLAudioElement | null = null,
  ) {
    get("mic-check")?.addEventListener("click", () => void this.level());
    get("hear-check")?.addEventListener("click", () => void this.hear());
    get("ring-check")?.addEventListener("click", () => void sample(this.ringOut));
    for (const [id, name] of [["mic-device", "mic"], ["ear-device", "ear"], ["ring-device", "ring"]] as const)
      get<HTMLSelectElement>(id)?.addEventListener("change", (event) => this.choose({ [name]: (event.target as HTMLSelectElement).value }));
    const auto = get<HTMLInputElement>("auto-answer");
    if (auto) {
      auto.checked = this.choices.isAuto;
      auto.addEventListener("change", () => this.choose({ isAuto: auto.checked }));
    }
    navigator.mediaDevices?.addEventListener("devicechange", () => void this.list());
    void this.list();
    void this.route();
  }

  /** A copy of the microphone for one call: muting that must not silence the next. */
  async microphone(): Promise<MediaStream> {
    if (!this.stream?.getAudioTracks().some((track) => track.readyState === "live")) {
      const wanted = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };
      // a device that is gone is no reason to have none
      const device = this.choices.mic ? { deviceId: { ideal: this.choices.mic } } : {};
      this.stream = await navigator.mediaDevices.getUserMedia({ audio: { ...wanted, ...device }, video: false });
      void this.list();
    }
    return new MediaStream(this.stream.getAudioTracks().map((track) => track.clone()));
  }

  letGo(): void {
    this.stream?.getTracks().forEach((track) => track.stop());
    this.stream = null;
  }

  private choose(some: Partial<Choices>): void {
    Object.assign(this.choices, some);
    localStorage.setItem(KEY, JSON.stringify(this.choices));
    if ("mic" in some) this.letGo();
    void this.route();
  }

  private async route(): Promise<void> {
    await this.ringOut.to(this.choices.ring);
    await this.earOut.to(this.choices.ear);
    await this.far?.setSinkId?.(this.choices.ear).catch(() => undefined);
  }

  /** Fill the menus; browsers name devices only once the microphone is allowed. */
  private async list(): Promise<void> {
    const devices = await navigator.mediaDevices?.enumerateDevices().catch(() => []);
    for (const [id, kind, chosen] of [
      ["mic-device", "audioinput", this.choices.mic],
      ["ear-device", "audiooutput", this.choices.ear],
      ["ring-device", "audiooutput", this.choices.ring],
    ] as const) {
      const select = get<HTMLSelectElement>(id);
      if (!select || document.activeElement === select) continue;
      const there = (devices ?? []).filter((one) => one.kind === kind && one.deviceId && one.deviceId !== "default");
      select.replaceChildren(
        new Option(this.say("headset_default"), ""),
        ...there.map((one, index) => new Option(one.label || `${this.say("mic_name")} ${index + 1}`, one.deviceId)),
      );
      select.value = there.some((one) => one.deviceId === chosen) ? chosen : "";
    }
  }

  private told(key: string): void {
    const word = get("mic-word");
    if (word) word.textContent = this.say(key);
  }

  /** Show how loud the microphone is, for some seconds. */
  private async level(): Promise<void> {
    this.unlisten?.();
    try {
      const stream = await this.microphone();
      let peak = 0;
      this.unlisten = listen(stream, (percent) => {
        peak = Math.max(peak, percent);
        get("mic-level")?.setAttribute("width", `${percent.toFixed(0)}%`);
        this.told(peak > LOUD_ENOUGH ? "mic_ok" : "mic_silent");
      });
      window.setTimeout(() => {
        this.unlisten?.();
        this.unlisten = null;
        get("mic-level")?.setAttribute("width", "0%");
        stream.getTracks().forEach((track) => track.stop());
      }, LEVEL_MS);
    } catch (error) {
      this.faulty(error);
    }
  }

  /** Record three seconds and play them: microphone and headset in one. Nothing leaves the browser. */
  private async hear(): Promise<void> {
    try {
      const stream = await this.microphone();
      const recorder = new MediaRecorder(stream);
      const parts: Blob[] = [];
      recorder.addEventListener("dataavailable", (event) => parts.push(event.data));
      recorder.addEventListener("stop", () => {
        stream.getTracks().forEach((track) => track.stop());
        const sound = new Audio(URL.createObjectURL(new Blob(parts, { type: recorder.mimeType })));
        sound.addEventListener("ended", () => URL.revokeObjectURL(sound.src));
        this.told("hearing");
        void Promise.resolve(sound.setSinkId?.(this.choices.ear)).catch(() => undefined).then(() => sound.play()).catch(this.faulty);
      });
      this.told("listening");
      recorder.start();
      window.setTimeout(() => recorder.stop(), HEAR_MS);
    } catch (error) {
      this.faulty(error);
    }
  }
}

/** What to say of a microphone that cannot be had. */
export function micFault(error: unknown): "mic_denied" | "mic_none" | "failed" {
  const name = error instanceof DOMException ? error.name : "";
  return name === "NotAllowedError" ? "mic_denied" : name === "NotFoundError" || name === "OverconstrainedError" ? "mic_none" : "failed";
}
