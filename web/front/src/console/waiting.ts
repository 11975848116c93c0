// Who waits in the agent's queues. Asked for only while the list is open and somebody waits: a floor of agents would ask a lot.
import { all, span } from "../page";

const LOOK_MS = 5000;
const SOON_MS = 1000;

export class Waiting {
  private readonly card = document.getElementById("who-waits") as HTMLDetailsElement | null;
  private readonly place = document.getElementById("callers");
  private count = -1;
  private lookedAt = 0;
  private isBehind = false;

  constructor(private readonly now: () => number) {
    this.card?.addEventListener("toggle", () => this.card?.open && void this.look());
    setInterval(() => this.tick(), 1000);
  }

  /** So many wait by what the switchboard says. */
  told(count: number): void {
    if (count === this.count) return;
    this.count = count;
    this.isBehind = true;
    this.lookIfDue();
  }

  private tick(): void {
    for (const one of all("[data-waits]", this.place ?? document)) one.textContent = span(Math.max(0, (this.now() - Date.parse(one.dataset["waits"] ?? "")) / 1000));
    this.lookIfDue();
  }

  private lookIfDue(): void {
    const age = performance.now() - this.lookedAt;
    if (age > (this.isBehind ? SOON_MS : LOOK_MS) && (this.isBehind || this.count > 0)) void this.look();
  }

  private async look(): Promise<void> {
    if (!this.card?.open || !this.place || document.hidden) return;
    this.lookedAt = performance.now();
    this.isBehind = false;
    const answer = await fetch("/console/waiting", { credentials: "same-origin" }).catch(() => null);
    if (answer?.ok) this.place.innerHTML = await answer.text();
  }
}
