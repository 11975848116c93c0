// What is written to the agent's team: it stands there until they say that they have read it.
import { post } from "../page";

export class Messages {
  private readonly place = document.getElementById("messages");

  constructor() {
    this.place?.addEventListener("click", (event) => {
      const button = event.target instanceof Element ? event.target.closest<HTMLButtonElement>("[data-read]") : null;
      if (button) void this.read(button);
    });
  }

  /** Fetch what has not been read yet. */
  async look(): Promise<void> {
    const answer = await fetch("/console/messages", { credentials: "same-origin" }).catch(() => null);
    if (!answer?.ok || !this.place) return;
    const focused = document.activeElement?.id;
    this.place.innerHTML = await answer.text();
    if (focused?.startsWith("read-")) document.getElementById(focused)?.focus({ preventScroll: true });
  }

  private async read(button: HTMLButtonElement): Promise<void> {
    button.disabled = true;
    await post("/console/messages", { company: button.dataset["company"], message: button.dataset["read"] }).catch(() => undefined);
    await this.look();
  }
}
