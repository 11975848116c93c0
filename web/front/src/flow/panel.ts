// What stands beside the drawing: a step's form or the rehearsal, both as the server writes them for pages.
import { all } from "../page";

const state = (form: HTMLFormElement | null): string =>
  form ? JSON.stringify([...new FormData(form)].map(([name, value]) => [name, String(value)])) : "";

export class Panel {
  private was = "";
  private asked = 0;

  constructor(
    private readonly host: HTMLElement,
    /** A form has been sent and the draft may be another. */
    private readonly saved: () => void,
    /** Something else stands here now. */
    private readonly shown: () => void,
    private readonly failed: (text: string) => void,
  ) {
    host.addEventListener("submit", (event) => {
      event.preventDefault();
      const form = event.target as HTMLFormElement;
      const button = (event as SubmitEvent).submitter as HTMLButtonElement | null;
      if (form.method === "get") {
        const asked = new URLSearchParams([...new FormData(form, button)].map(([name, value]) => [name, String(value)]));
        void this.show(`${form.action}?${asked}`);
      } else void this.send(form);
    });
  }

  /** The nodes the rehearsal has come by, each with the way that led there. */
  get path(): { node: string; way: string }[] {
    return all("[data-node]", this.host).map((one) => ({ node: one.dataset["node"] ?? "", way: one.dataset["way"] ?? "" }));
  }

  async show(url: string): Promise<void> {
    const mine = ++this.asked;
    const answer = await fetch(url, { headers: { "HX-Request": "true" } });
    const text = await answer.text();
    if (mine === this.asked) this.write(text); // somebody has chosen another step meanwhile
  }

  /** Send what is typed and not saved yet; false: it cannot be so, and the form says why. */
  async flush(): Promise<boolean> {
    const form = this.form;
    return !form || state(form) === this.was || this.send(form);
  }

  private get form(): HTMLFormElement | null {
    return this.host.querySelector<HTMLFormElement>("#step-form");
  }

  private async send(form: HTMLFormElement): Promise<boolean> {
    const mine = ++this.asked;
    try {
      const answer = await fetch(form.action, { method: "POST", body: new FormData(form), headers: { "HX-Request": "true" } });
      const text = await answer.text();
      if (mine === this.asked) this.write(text);
      if (answer.ok) this.saved();
      return answer.ok;
    } catch (error) {
      this.failed(String(error));
      return false;
    }
  }

  private write(html: string): void {
    this.host.innerHTML = html;
    this.was = state(this.form);
    this.host.querySelector<HTMLElement>("[role=alert], [autofocus]")?.focus();
    this.shown();
  }
}
