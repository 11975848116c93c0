// The dial field: a number typed or put together on the keypad, for one of the agent's queues. The server decides.
import { AnswerError, all, post } from "../page";
import type { Queue } from "./state";

const get = <T extends HTMLElement>(id: string): T => document.getElementById(id) as T;

export interface Dialling {
  /** Made ready before anything is asked: the microphone is open when somebody picks up. */
  ready(): Promise<boolean>;
  /** The server has taken the call; its state follows. */
  asked(callId: string): void;
}

export class DialField {
  private readonly form = get<HTMLFormElement>("dial");
  private readonly number = get<HTMLInputElement>("dial-number");
  private readonly queue = get<HTMLSelectElement>("dial-queue");
  private shown = "";
  private isAsking = false;

  constructor(private readonly on: Dialling) {
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.call("/console/dial", { number: this.number.value, queue: this.queue.value });
    });
    this.number.addEventListener("input", () => this.fault(""));
    this.number.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      this.number.value = "";
      this.fault("");
      this.number.blur();
    });
    get("dial-pad").addEventListener("click", () => this.pad(!!get("dial-keys").hidden));
    for (const button of all("[data-sign]"))
      button.addEventListener("click", () => {
        this.number.value += button.dataset["sign"] ?? "";
        this.fault("");
        // Enter then calls; on a touch screen the field would bring up a second keypad
        if (matchMedia("(hover: hover)").matches) this.number.focus();
      });
    document.addEventListener("click", (event) => {
      const button = event.target instanceof Element ? event.target.closest<HTMLElement>("[data-dial]") : null;
      if (button) void this.call(button.dataset["dial"] ?? "", {});
    });
  }

  focus(): void {
    this.number.focus();
    this.number.select();
  }

  /** Offer the queues in whose name may be called; without one there is nothing to dial for. */
  offer(queues: Queue[]): void {
    const able = queues.filter((queue) => queue.can_dial);
    get("dial-card").toggleAttribute("data-none", !able.length);
    const key = JSON.stringify(able.map((queue) => [queue.id, queue.name, queue.company]));
    if (key === this.shown) return;
    this.shown = key;
    const before = this.queue.value;
    this.queue.replaceChildren(...able.map((queue) => new Option(queue.company ? `${queue.company} · ${queue.name}` : queue.name, queue.id)));
    if (able.some((queue) => queue.id === before)) this.queue.value = before;
    get("dial-for").hidden = able.length < 2;
  }

  clear(): void {
    this.number.value = "";
    this.fault("");
    this.pad(false);
  }

  private pad(isOpen: boolean): void {
    get("dial-keys").hidden = !isOpen;
    get("dial-pad").setAttribute("aria-expanded", String(isOpen));
  }

  private async call(url: string, body: object): Promise<void> {
    if (this.isAsking) return;
    this.isAsking = true;
    this.fault("");
    get<HTMLButtonElement>("dial-go").disabled = true;
    try {
      if (!(await this.on.ready())) return;
      const answer = await post<{ call_id: string }>(url, body);
      if (answer) this.on.asked(answer.call_id);
    } catch (error) {
      if (!(error instanceof AnswerError)) this.fault(this.form.dataset["away"] ?? "");
      else this.fault(error.heading ? `${error.heading}. ${error.title}` : error.title);
    } finally {
      this.isAsking = false;
      get<HTMLButtonElement>("dial-go").disabled = false;
    }
  }

  private fault(text: string): void {
    const place = get("dial-error");
    place.hidden = !text;
    const word = place.querySelector("span");
    if (word && word.textContent !== text) word.textContent = text;
    this.number.setAttribute("aria-invalid", String(!!text));
  }
}
