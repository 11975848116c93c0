// The recording player: one <audio>, the waveform as its scale, speed, and what the ear has heard in the accent colour.
import { all, span } from "./page";

function start(box: HTMLElement): void {
  const audio = box.querySelector("audio");
  const scale = box.querySelector<HTMLInputElement>("[data-scale]");
  const play = box.querySelector<HTMLButtonElement>("[data-play]");
  const time = box.querySelector<HTMLElement>("[data-time]");
  const head = box.querySelector<SVGRectElement>(".head");
  if (!audio || !scale || !play) return;
  const bars = all<SVGRectElement>(".u", box);
  const length = Number(box.dataset["length"] ?? "0");

  const paint = (): void => {
    const part = length ? audio.currentTime / length : 0;
    const edge = 448 * part;
    for (const bar of bars) {
      const isHeard = Number(bar.getAttribute("x")) < edge;
      bar.setAttribute("class", isHeard ? (bar.classList.contains("d") ? "u d p2" : "u p") : bar.classList.contains("d") ? "u d" : "u");
    }
    head?.setAttribute("x", String(Math.min(edge, 446.5)));
    scale.value = String(audio.currentTime);
    scale.setAttribute("aria-valuetext", `${span(audio.currentTime)} / ${span(length)}`);
    if (time) time.textContent = span(audio.currentTime);
  };
  play.addEventListener("click", () => void (audio.paused ? audio.play().catch(() => box.classList.add("broken")) : audio.pause()));
  for (const [event, on] of [["play", true], ["pause", false], ["ended", false]] as const)
    audio.addEventListener(event, () => {
      play.setAttribute("aria-pressed", String(on));
      for (const picture of all("[data-when]", play)) picture.toggleAttribute("hidden", (picture.dataset["when"] === "playing") !== on);
    });
  paint();
  audio.addEventListener("timeupdate", paint);
  audio.addEventListener("seeked", paint);
  scale.addEventListener("input", () => {
    audio.currentTime = Number(scale.value);
    paint();
  });
  box.addEventListener("click", (event) => {
    const button = (event.target as Element).closest<HTMLElement>("[data-speed]");
    if (!button) return;
    audio.playbackRate = Number(button.dataset["speed"]);
    for (const other of all("[data-speed]", box)) other.setAttribute("aria-pressed", String(other === button));
  });
}

export function startPlayers(root: ParentNode = document): void {
  for (const box of all("[data-player]", root))
    if (!box.dataset["started"]) {
      box.dataset["started"] = "yes";
      start(box);
    }
}
