// Tickets of the customer in hand: the dialog that opens one, and the buttons beside those that wait.
import { all, AnswerError, post, toast } from "../page";

type Say = (key: string, values?: Record<string, string | number>) => string;

const get = <T extends HTMLElement>(id: string): T => document.getElementById(id) as T;

export class Tickets {
  private readonly dialog = get<HTMLDialogElement>("ticket");
  private readonly form = get<HTMLFormElement>("ticket-form");

  /** `offer` names the call in hand; `again` fetches its record anew. */
  constructor(
    private readonly say: Say,
    private readonly offer: () => string,
    private readonly again: () => void,
  ) {
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.open();
    });
    document.addEventListener("click", (event) => {
      const button = event.target instanceof Element ? event.target.closest<HTMLButtonElement>("[data-ticket]") : null;
      if (button) void this.send(button.dataset["ticket"] ?? "", { state: button.dataset["state"] }, "ticket_moved");
    });
  }

  /** Forget what stands in the dialog: the next customer is another one. */
  clear(): void {
    this.form.reset();
    if (this.dialog.open) this.dialog.close();
    this.fault("");
  }

  private async open(): Promise<void> {
    const form = new FormData(this.form);
    const due = String(form.get("due") ?? "");
    const wanted = { kind: form.get("kind"), subject: form.get("subject"), text: form.get("text"), due_at: due ? new Date(due).toISOString() : null };
    if (await this.send(`/console/offers/${encodeURIComponent(this.offer())}/tickets`, wanted, "ticket_opened")) this.clear();
  }

  private async send(url: string, body: unknown, done: string): Promise<boolean> {
    const buttons = [...all<HTMLButtonElement>("[data-ticket]"), ...all<HTMLButtonElement>("button[type=submit]", this.form)];
    for (const one of buttons) one.disabled = true; // one press, one ticket
    try {
      await post(url, body);
      toast(this.say(done));
      this.again();
      return true;
    } catch (error) {
      const said = error instanceof AnswerError && error.title ? error.title : this.say("failed");
      if (this.dialog.open) this.fault(said);
      else toast(said, "bad");
      return false;
    } finally {
      for (const one of buttons) one.disabled = false;
    }
  }

  private fault(text: string): void {
    const place = get("ticket-error");
    place.hidden = !text;
    const word = place.querySelector("span");
    if (word) word.textContent = text;
  }
}
