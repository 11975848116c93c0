// A team leader's card: who does what in the teams they lead, and how they are in another agent's call.
import { all, AnswerError, post, toast } from "../page";

type Say = (key: string, values?: Record<string, string | number>) => string;

const LOOK_MS = 1500; // the switchboard tells once a second: nothing here is two seconds old

const get = <T extends HTMLElement>(id: string): T => document.getElementById(id) as T;

/** The card exists only for who leads a team; without it nothing here does anything. */
export class Team {
  private readonly card = document.getElementById("team-card") as HTMLDetailsElement | null;
  private looking = 0;
  private company = "";
  private call = "";
  private ear = "";
  private dragged: DOMStringMap | null = null;
  private hasChosen = false; // a menu that keeps the focus after a choice does not keep the board as it was

  constructor(
    private readonly say: Say,
    private readonly has: (key: string) => boolean,
  ) {
    this.card?.addEventListener("toggle", () => void this.look());
    document.addEventListener("visibilitychange", () => void this.look());
    this.card?.addEventListener("click", (event) => {
      const button = event.target instanceof Element ? event.target.closest<HTMLElement>("button[data-lead]") : null;
      if (button) void this.act(button);
    });
    this.card?.addEventListener("change", (event) => {
      const chosen = event.target;
      if (chosen instanceof HTMLSelectElement && chosen.dataset["lead"] && chosen.value) {
        this.hasChosen = true;
        void this.act(chosen);
      }
    });
    // from the press on: a board fetched meanwhile would take what is dragged out of the hand
    this.card?.addEventListener("pointerdown", (event) => {
      const from = event.target instanceof Element ? event.target.closest<HTMLElement>("[data-drag]") : null;
      if (from && !(event.target instanceof HTMLSelectElement)) this.dragged = from.dataset;
    });
    this.card?.addEventListener("pointerup", () => this.dragged && this.letGo());
    this.card?.addEventListener("dragstart", (event) => event.dataTransfer?.setData("text/plain", ""));
    this.card?.addEventListener("dragover", (event) => {
      const lane = this.lane(event);
      for (const one of all(".lane.over", this.card ?? document)) if (one !== lane) one.classList.remove("over");
      if (!lane) return;
      lane.classList.add("over");
      event.preventDefault();
    });
    this.card?.addEventListener("drop", (event) => {
      const [lane, about] = [this.lane(event), this.dragged];
      this.letGo();
      if (!lane || !about) return;
      event.preventDefault();
      void this.put(about, lane.dataset["into"] ?? "", lane.dataset["name"] ?? "");
    });
    this.card?.addEventListener("dragend", () => this.letGo());
    document.getElementById("write-form")?.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.write();
    });
    for (const ear of ["listen", "whisper", "barge", "take-over", "leave"]) document.getElementById(`watch-${ear}`)?.addEventListener("click", () => void this.ask({ act: ear, company: this.company, call: this.call }));
  }

  /** The switchboard says how this leader is in which call; no ear: not any more. */
  told(call: string, ear: string, why: string): void {
    const word = ear ? `watch_${ear}` : why && this.has(`watch_${why.replaceAll("-", "_")}`) ? `watch_${why.replaceAll("-", "_")}` : "watch_over";
    if (!ear && !this.ear && !why) return;
    [this.call, this.ear] = ear ? [call, ear] : ["", ""];
    get("watching").hidden = !ear;
    get("watch-word").textContent = this.say(word);
    for (const one of ["listen", "whisper", "barge"]) get(`watch-${one}`).setAttribute("aria-pressed", String(one === ear));
    get("announce").textContent = this.say(word);
    if (!ear) toast(this.say(word), why && why !== "over" ? "bad" : "ok");
    void this.look();
  }

  refused(reason: string): void {
    const key = `lead_${reason.replaceAll("-", "_")}`;
    toast(this.say(this.has(key) ? key : "failed"), "bad");
    void this.look();
  }

  private async act(from: HTMLElement): Promise<void> {
    const { lead, company, call, agent, status } = from.dataset;
    const [now, reason] = (status ?? "").split(":");
    const chosen = from instanceof HTMLSelectElement ? from.value : "";
    if (from instanceof HTMLSelectElement && (lead === "move" || lead === "assign")) {
      const name = from.selectedOptions[0]?.textContent ?? "";
      const [was, to] = lead === "assign" ? chosen.split(">") : [from.dataset["from"], chosen];
      from.value = "";
      return this.put({ ...from.dataset, drag: lead, from: was }, to ?? "", name);
    }
    const about = {
      act: lead,
      company,
      ...(call ? { call } : {}),
      ...(agent ? { agent: Number(agent), status: now, reason: reason ?? chosen } : {}),
    };
    if (from instanceof HTMLSelectElement) from.value = "";
    if (company) this.company = company;
    await this.ask(about);
  }

  /** Put a caller or an agent into a queue, by hand or from a menu, and offer to take that back. */
  private async put(about: DOMStringMap, to: string, name: string): Promise<void> {
    const { drag, company, call, agent, from } = about;
    const whose = { act: drag, company, ...(call ? { call } : { agent: Number(agent) }) };
    const turn = (queue: string, out: string): Promise<boolean> => this.ask({ ...whose, queue, ...(call ? {} : { from: out }) });
    if (!(await turn(to, from ?? ""))) return;
    const word = call ? "lead_moved" : to ? "lead_put" : "lead_taken";
    const undo = async (): Promise<void> => {
      if (await turn(from ?? "", to)) toast(this.say("lead_undone"));
    };
    const canUndo = call ? !!from : true;
    toast(this.say(word, { agent: agent ?? "", queue: name }), "ok", canUndo ? { word: this.say("lead_undo"), does: () => void undo() } : undefined);
  }

  /** Write to the agents of a company, or of one of its queues. */
  private async write(): Promise<void> {
    const [company, queue] = get<HTMLSelectElement>("write-to").value.split(" ");
    const field = get<HTMLTextAreaElement>("write-text");
    if (!(await this.ask({ act: "broadcast", company, text: field.value, ...(queue ? { queue } : {}) }))) return;
    field.value = "";
    toast(this.say("lead_sent"));
  }

  /** The queue a drag is over, if what is dragged may be put there. */
  private lane(event: DragEvent): HTMLElement | null {
    const lane = event.target instanceof Element ? event.target.closest<HTMLElement>("[data-into]") : null;
    const about = this.dragged;
    return lane && about && lane.dataset["company"] === about["company"] && lane.dataset["into"] !== about["from"] ? lane : null;
  }

  private letGo(): void {
    this.dragged = null;
    for (const one of all(".lane.over", this.card ?? document)) one.classList.remove("over");
    void this.look();
  }

  /** Ask for an act; whether it was taken. */
  private async ask(about: object): Promise<boolean> {
    try {
      await post("/console/team/acts", about);
      return true;
    } catch (error) {
      toast(error instanceof AnswerError && error.title ? error.title : this.say("failed"), "bad");
      return false;
    } finally {
      void this.look();
    }
  }

  /** Fetch the board while it is open and seen; whoever had the focus keeps it. */
  private async look(): Promise<void> {
    clearTimeout(this.looking);
    if (!this.card?.open || document.hidden) return;
    const answer = await fetch("/console/team", { credentials: "same-origin" }).catch(() => null);
    const board = get("team");
    const focused = document.activeElement?.id;
    const isChoosing = !this.hasChosen && document.activeElement instanceof HTMLSelectElement && board.contains(document.activeElement);
    if (answer?.ok && !isChoosing && !this.dragged) {
      board.innerHTML = await answer.text();
      this.hasChosen = false;
      if (focused && board.querySelector(`#${CSS.escape(focused)}`)) get(focused).focus({ preventScroll: true });
    }
    clearTimeout(this.looking);
    this.looking = window.setTimeout(() => void this.look(), LOOK_MS);
  }
}
