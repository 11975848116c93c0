// Messages callers left, heard in their list: first what for, then the player. A call that rings ends the sound.
import { all, AnswerError, post, toast } from "../page";
import { startPlayers } from "../player";

export class Hearing {
  constructor(
    private readonly place: HTMLElement,
    private readonly failed: () => string,
  ) {
    place.addEventListener("click", (event) => {
      const button = event.target instanceof Element ? event.target.closest<HTMLElement>("[data-hear]") : null;
      const row = button && document.getElementById(button.dataset["hear"] ?? "");
      if (!button || !row) return;
      row.hidden = !row.hidden;
      button.setAttribute("aria-expanded", String(!row.hidden));
      if (row.hidden) this.stop(row);
      else row.querySelector<HTMLElement>("select, [data-play]")?.focus();
    });
    place.addEventListener("submit", (event) => {
      const form = event.target instanceof HTMLFormElement ? event.target : null;
      if (!form?.dataset["hearing"]) return;
      event.preventDefault();
      void this.open(form, form.dataset["hearing"]);
    });
  }

  /** Whether a list fetched anew would take what is heard, or is about to be, out of the ear. */
  get isOpen(): boolean {
    return all("[data-hear][aria-expanded=true]", this.place).length > 0;
  }

  stop(root: ParentNode = this.place): void {
    for (const audio of all<HTMLAudioElement>("audio", root)) audio.pause();
  }

  private async open(form: HTMLFormElement, url: string): Promise<void> {
    try {
      const answer = await post<{ player: string }>(url, { why: String(new FormData(form).get("why") ?? "") });
      const row = form.parentElement;
      if (!row || !answer) return;
      row.innerHTML = answer.player;
      startPlayers(row);
      row.querySelector<HTMLElement>("[data-play]")?.focus();
    } catch (error) {
      toast(error instanceof AnswerError && error.title ? error.title : this.failed(), "bad");
    }
  }
}
