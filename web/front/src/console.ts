// The agent's desk. Server state in, one view out; offers pop before they ring; keys and buttons do the same things.
import { Headset, micFault } from "./console/headset";
import { Hearing } from "./console/hear";
import { DialField } from "./console/dial";
import { Shortcuts, type Deed } from "./console/keys";
import { Ring, Ringback, unlock, zip } from "./console/ring";
import { Messages } from "./console/messages";
import { Phone } from "./console/phone";
import { read, type Stats } from "./console/quality";
import { activityOf, epoch, isOutside, splitStatus, type State, statusOf } from "./console/state";
import { claim, takeBack, takeOver } from "./console/tab";
import { Team } from "./console/team";
import { Tickets } from "./console/tickets";
import { Transfer } from "./console/transfer";
import { Waiting } from "./console/waiting";
import { WrapUp } from "./console/wrap";
import { all, AnswerError, isTyping, meta, post, span, toast } from "./page";
import { refresh as freshen } from "./ages";

const RING_HOLD_MS = 300; // the ring waits for the pop, but no longer than this
const POLL_MS = 4000; // while the live stream is down
const CHECK_MS = 45_000; // a look at the truth now and then, whatever the stream says
const LOST_AFTER_MS = 1500;
const KEY_GAP_MS = 250;
const ASKED_MS = 12_000; // a clearance lasts ten seconds: what has not begun by then never will
const SETTLE_MS = 1000; // an offer may be heard of this long before the state tells of it
const POP_AGAIN_MS = 60; // the INVITE may outrun the row the pop is made from
const POP_TRIES = 40;

type View = "loading" | "idle" | "dialling" | "offered" | "ringing" | "answering" | "on-call" | "wrap-up" | "offline" | "passive" | "signed-out";

/** Instants of one offer in epoch milliseconds, for the tests and the benchmark. */
interface Marks {
  offer_id: string;
  offer_at?: number;
  invite_at?: number;
  painted_at?: number;
  ring_at?: number;
  answered_at?: number;
  up_at?: number;
  ended_at?: number;
}

interface Offer {
  id: string;
  marks: Marks;
  expiresAt: number;
  offeredAt: number;
  painted: Promise<void>;
  hasInvite: boolean;
  isAuto: boolean; // a call out, whose called person waits: answered as soon as the pop stands
  isMine: boolean; // dialled by hand here: it was never an offer to this agent
  rings: boolean;
  answering: boolean;
}

const get = <T extends HTMLElement>(id: string): T => document.getElementById(id) as T;
const desk = get("desk");
const words = JSON.parse(desk.dataset["words"] ?? "{}") as Record<string, string>;
const say = (key: string, values: Record<string, string | number> = {}): string =>
  (words[key] ?? key).replace(/\{(\w+)\}/g, (_all, name: string) => String(values[name] ?? ""));

let state: State | null = null;
let skew = 0; // server clock minus ours
let offer: Offer | null = null;
let popped = get("pop").dataset["popped"] ?? ""; // the offer whose record is on the page
let isActive = false; // this tab holds the phone
let isOut = false;
let isMuted = false;
let hasStream = false;
let source: EventSource | null = null;
let calm = 0; // timer of the "connection lost" notice
let wrapFor = "";
let isPausing: boolean | null = null; // what the recording is to become, until the switch has said so
let lostAt = 0;
let isSaving = false;
let isGoing: boolean | null = null; // whether the agent chose their telephone, until the server has taken or refused it
let asked = ""; // the call dialled here that the state does not tell of yet
let askedDialAt = 0;
let view: View = "loading";
const history: Marks[] = [];
/** Offers that are over here; a state that still tells of one is only late. */
const gone = new Set<string>();
const headset = new Headset(say, (error) => faulty(error), get<HTMLAudioElement>("far"));
const ring = new Ring(headset.ringOut);
const wrap = new WrapUp(say);
const ringback = new Ringback(headset.earOut);
const transfer = new Transfer(
  say,
  (key) => key in words,
  () => void load(),
);
const tickets = new Tickets(say, () => popped, () => popped && void pop(popped));
const team = new Team(say, (key) => key in words);
const messages = new Messages();
const hearing = new Hearing(get("idle"), () => say("failed"));
const callers = new Waiting(() => Date.now() + skew);
const shortcuts = new Shortcuts(desk.dataset["shortcuts"], say);

// ---------------------------------------------------------------- talking to the server

async function act(url: string, body: unknown = {}): Promise<boolean> {
  try {
    await post(url, body);
    return true;
  } catch (error) {
    if (error instanceof AnswerError && error.status === 401) signedOut();
    else toast(error instanceof AnswerError && error.title ? error.title : say(error instanceof TypeError ? "offline_now" : "failed"), "bad");
    return false;
  } finally {
    void load();
  }
}

let loading: Promise<void> | null = null;
let isStaleLoad = false;

/** Take what the pulse says of the queues; asking the server for it would cost every agent a request a second. */
function queuesMoved(moved: Record<string, { waiting: number; since: string | null }>): void {
  if (!state) return;
  for (const queue of state.queues) {
    const now = moved[queue.id];
    queue.waiting = now?.waiting ?? 0;
    queue.longest_s = now?.since ? Math.max(0, Math.floor((Date.now() + skew - Date.parse(now.since)) / 1000)) : null;
  }
  setQueues();
}

/** What the switchboard says the agent has become, ahead of what is written: shown at once where nothing else is needed for it. */
function becomes(now: string, since: string): void {
  if (!state || !isActive || offer) return;
  const { status, reason } = splitStatus(now);
  const nothing = { offer: null, call: null, wrap: null };
  if (status === "talking" || status === "holding") {
    if (state.call) accept({ ...state, call: { ...state.call, on_hold: status === "holding" } }, epoch());
  } else if (status === "available" || status === "away") accept({ ...state, ...nothing, activity: "idle", status, reason, since, next_status: null }, epoch());
  else if (status === "offline") accept({ ...state, ...nothing, activity: "offline", status: "available", reason: null, since }, epoch());
}

/** Fetch the state; calls while one is under way are answered by one more afterwards. */
function load(): Promise<void> {
  if (isOut) return Promise.resolve();
  if (loading) {
    isStaleLoad = true;
    return loading;
  }
  loading = (async () => {
    do {
      // the pop goes first: whatever else the page wants to know waits until it stands
      if (offer) await Promise.race([offer.painted, new Promise((resolve) => setTimeout(resolve, RING_HOLD_MS))]);
      isStaleLoad = false;
      await loadOnce();
    } while (isStaleLoad);
  })().finally(() => (loading = null));
  return loading;
}

async function loadOnce(): Promise<void> {
  const askedAt = epoch();
  try {
    const answer = await fetch("/console/state", { credentials: "same-origin", headers: { Accept: "application/json" } });
    if (answer.status === 401) return signedOut();
    if (answer.status === 409) return shiftOver();
    if (!answer.ok) throw new TypeError(String(answer.status));
    const fresh = (await answer.json()) as State;
    if (fresh.now) skew = Date.parse(fresh.now) - Date.now();
    setLost("state", false);
    accept(fresh, askedAt);
  } catch {
    setLost("state", true);
  }
}

function accept(fresh: State, askedAt: number): void {
  const before = state;
  state = fresh;
  // an answer that was on its way when the offer came knows nothing of it
  const knowsOffer = !!offer && askedAt > (offer.marks.offer_at ?? 0) + SETTLE_MS;
  if (!isActive) return show();
  if (isOutside(fresh)) phone.stop();
  else if (fresh.sip && !fresh.simulator) phone.start(fresh.sip);
  if (before && isOutside(before) !== isOutside(fresh)) moved(fresh);
  const activity = activityOf(fresh);
  if (activity === "ringing" && fresh.offer && !gone.has(fresh.offer.offer_id)) begin(fresh.offer.offer_id, fresh.offer);
  else if (activity !== "ringing" && knowsOffer && offer && !offer.answering && !offer.hasInvite) forget();
  if (fresh.dial) asked = "";
  if (activity === "on-call" && offer && (offer.answering || knowsOffer)) {
    if (offer.rings) ring.stop();
    offer = null;
  }
  const context = fresh.call?.offer_id ?? fresh.dial?.offer_id ?? fresh.wrap?.offer_id;
  const inHand = fresh.call?.call_id ?? fresh.wrap?.call_id;
  if (inHand && !fresh.call?.consult?.is_asked && (activity === "on-call" || activity === "wrap-up")) wrap.begin(inHand);
  if (isPausing === (fresh.call?.paused ?? false) || !fresh.call?.recording) isPausing = null;
  if (!fresh.call) get("not-paused").hidden = true;
  if (fresh.call && before?.call?.call_id === fresh.call.call_id && before.call.paused !== fresh.call.paused)
    get("announce").textContent = say(fresh.call.paused ? "pause_said" : "resume_said");
  if (context && popped !== context && ["dialling", "on-call", "wrap-up"].includes(activity)) void pop(context);
  if (activity === "wrap-up" && fresh.wrap && wrapFor !== fresh.wrap.call_id) {
    wrapFor = fresh.wrap.call_id;
    focusWrap();
  }
  if (activity === "idle" && before && activityOf(before) !== "idle") {
    if (activityOf(before) === "wrap-up" && wrap.isWritten && !isSaving) toast(say("kept_so_far"));
    clearWrap();
    void reloadIdle();
  }
  show();
}

/** The shift ended (here, or by a team leader): the page offers the next one. */
function shiftOver(): void {
  isLeaving = true;
  ring.stop();
  phone.stop();
  location.assign("/console/");
}

async function reloadIdle(): Promise<void> {
  hearing.stop(); // what leaves the page must not sound on
  const answer = await fetch("/console/idle", { credentials: "same-origin" }).catch(() => null);
  if (answer?.ok) get("idle").innerHTML = await answer.text();
}

function signedOut(): void {
  isOut = true;
  ring.stop();
  phone.stop();
  source?.close();
  headset.letGo();
  show();
}

// ---------------------------------------------------------------- offers: pop, paint, then ring

function begin(id: string, known?: { offered_at?: string; expires_at: string }): Offer {
  if (offer?.id === id) {
    if (known) offer.expiresAt = Date.parse(known.expires_at);
    return offer;
  }
  if (offer) forget();
  gone.delete(id); // an INVITE knows better
  const marks: Marks = { offer_id: id, offer_at: epoch() };
  history.push(marks);
  if (history.length > 2000) history.shift();
  const mine: Offer = {
    id,
    marks,
    offeredAt: known?.offered_at ? Date.parse(known.offered_at) : Date.now() + skew,
    expiresAt: known ? Date.parse(known.expires_at) : Date.now() + skew + 20_000,
    painted: Promise.resolve(),
    hasInvite: false,
    isAuto: false,
    isMine: state?.dial?.offer_id === id,
    rings: false,
    answering: false,
  };
  offer = mine;
  mine.painted = pop(id).then((isPainted) => {
    if (!isPainted) return;
    marks.painted_at = epoch();
    const painted_ms = Math.round((marks.painted_at - (marks.offer_at ?? marks.painted_at)) * 10) / 10;
    void post(`/console/offers/${id}/painted`, { painted_ms }).catch(() => undefined);
  });
  if (state?.simulator || isOutside(state)) void startRing(mine);
  show();
  return mine;
}

/** Fetch a record, put it on the page, and resolve when the browser has painted it; false when it could not. */
async function pop(id: string): Promise<boolean> {
  let answer: Response | null = null;
  for (let tried = 0; tried < POP_TRIES && !answer?.ok; tried++) {
    if (tried) await new Promise((resolve) => setTimeout(resolve, POP_AGAIN_MS));
    if (offer && offer.id !== id) return false;
    answer = await fetch(`/console/offers/${encodeURIComponent(id)}`, { credentials: "same-origin" }).catch(() => null);
    if (answer && ![200, 404, 503].includes(answer.status)) break;
  }
  if (!answer?.ok) return false;
  const parsed = document.createElement("template");
  parsed.innerHTML = await answer.text();
  const record = parsed.content.querySelector('[data-part="record"]');
  const head = parsed.content.querySelector('[data-part="phone"]');
  if (!record || !head) return false;
  if (offer && offer.id !== id) return false; // another offer came meanwhile
  popped = id;
  get("pop").replaceChildren(record);
  get("pop-phone").replaceChildren(...head.childNodes);
  show();
  // two frames: the first runs before the paint that shows the record, the second after it
  await new Promise<void>((resolve) => requestAnimationFrame(() => requestAnimationFrame(() => resolve())));
  return true;
}

/** What to say of an offer taken back, by the switchboard's reason. */
const WITHDRAWN: Record<string, string> = { "caller-left": "caller_gone", "no-answer": "expired", declined: "", "switch-lost": "", "not-reached": "", "not-called": "not_called" };

let pendingInvite = "";
let unsaid = ""; // the offer whose ring the switch ended before the switchboard has said why

function invited(id: string, isAuto: boolean): void {
  pendingInvite = id;
  const call = state?.call;
  if (call && (call.offer_id === id || !id) && state && activityOf(state) === "on-call") {
    // the switch brings the agent's leg back after a reload, a lost line or from another tab: no ring, straight into the call
    void phone.answer(wasMuted(call.call_id)).catch(faulty);
    return;
  }
  const mine = begin(id || (state?.offer?.offer_id ?? "unknown"));
  mine.marks.invite_at = epoch();
  mine.hasInvite = true;
  mine.isAuto = isAuto;
  void startRing(mine);
}

async function startRing(mine: Offer): Promise<void> {
  await Promise.race([mine.painted, new Promise((resolve) => setTimeout(resolve, RING_HOLD_MS))]);
  if (offer !== mine || mine.rings || mine.answering) return;
  mine.rings = true;
  mine.marks.ring_at = epoch();
  const name = get("pop-phone").querySelector("[data-who]")?.textContent ?? say("unknown");
  const queue = get("pop-phone").querySelector("[data-queue]")?.textContent ?? "";
  if (isOutside(state)) {
    // the telephone rings; here it is only said what is to be pressed there
    get("announce-now").textContent = say("incoming_outside", { name, queue, key: wanted() });
    return show();
  }
  const isAuto = headset.choices.isAuto || mine.isAuto;
  if (!isAuto) ring.start({ title: say("incoming_title"), notice: say("notice", { queue }) });
  get("announce-now").textContent = mine.isMine ? say("picked_up") : isAuto ? say("zip") : say("incoming", { name, queue, key: shortcuts.of("answer").toUpperCase() });
  show();
  if (mine.isMine) await answer();
  else if (isAuto) {
    const tone = zip(headset.earOut);
    if (!mine.isAuto) await tone; // nobody who was called may wait for it
    if (offer === mine) await answer();
  } else if (document.activeElement === document.body) get("answer").focus({ preventScroll: true });
}

/** Let an offer go, saying why when there is a reason. */
function forget(reason = ""): void {
  if (!offer) return;
  offer.marks.ended_at = epoch();
  gone.add(offer.id);
  offer = null;
  pendingInvite = "";
  ring.stop();
  get("announce-now").textContent = "";
  if (reason) toast(say(reason));
  show();
}

async function answer(): Promise<void> {
  const mine = offer;
  if (!mine || !mine.rings || mine.answering || (isOutside(state) && !state?.simulator)) return;
  mine.answering = true;
  mine.marks.answered_at = epoch();
  ring.stop();
  get("announce-now").textContent = "";
  show();
  try {
    if (state?.simulator) await post(`/console/offers/${mine.id}/answer`);
    else await phone.answer();
  } catch (error) {
    mine.answering = false;
    faulty(error);
  }
  void load();
}

async function decline(): Promise<void> {
  const mine = offer;
  if (!mine || mine.answering) return;
  forget();
  const isDone = await act(`/console/offers/${mine.id}/decline`);
  if (isDone) toast(say("declined"));
  else phone.refuse();
}

async function giveUp(): Promise<void> {
  const id = state?.dial?.call_id;
  if (id) await act(`/console/calls/${id}/hang-up`);
}

/** Say what became of a call dialled here that nobody talked in. */
function dialEnded(call: string, outcome: string, reason: string): void {
  if (asked === call) asked = "";
  // what has forbidden the call since it was asked for says more than that it was not placed
  const word = (reason && words[`refused_${reason.replaceAll("-", "_")}`]) || words[`dialled_${outcome.replace("-", "_")}`];
  if (word) toast(word, outcome === "cancelled" ? "ok" : "bad");
  void load();
}

const dialField = new DialField({
  async ready() {
    if (state?.simulator) return true;
    try {
      (await headset.microphone()).getTracks().forEach((track) => track.stop());
      return true;
    } catch (error) {
      faulty(error);
      return false;
    }
  },
  asked(callId) {
    asked = callId;
    askedDialAt = Date.now();
    dialField.clear();
    get("pop").replaceChildren(get<HTMLTemplateElement>("pop-waiting").content.cloneNode(true));
    get("pop-phone").replaceChildren(get<HTMLTemplateElement>("head-waiting").content.cloneNode(true));
    popped = "";
    show();
    void load();
  },
});

async function hangUp(): Promise<void> {
  const id = state?.call?.call_id;
  if (state?.call?.consult && !state.call.consult.is_asked) return transfer.confer("end");
  // a voice that is only coming back has no call to end yet: the switchboard ends it
  const isSip = !state?.simulator && phone.isUp && phone.hangUp();
  if (!isSip && id) await act(`/console/calls/${id}/hang-up`);
  else window.setTimeout(() => void load(), 200);
}

// ---------------------------------------------------------------- phone and microphone

/** What is to be pressed at the agent's telephone: the code until it is checked, then 1. */
const wanted = (): string => state?.telephone?.code ?? "1";

/** The agent's calls ring elsewhere from now on. */
function moved(fresh: State): void {
  const told = say(isOutside(fresh) ? "at_telephone" : "at_browser");
  toast(told);
  get("announce").textContent = told;
  fault("");
  setLost("sip", false);
  if (!isOutside(fresh) && !fresh.simulator) void askForMicrophone();
}

function faulty(error: unknown): void {
  fault(say(micFault(error)));
}

function fault(text: string): void {
  get("phone-fault").hidden = !text;
  get("phone-fault-word").textContent = text;
}

const phone = new Phone(
  get<HTMLAudioElement>("far"),
  {
    invited,
    watching() {
      void phone.answer().catch(faulty);
    },
    up() {
      const marks = offer?.marks ?? history.at(-1);
      if (marks) marks.up_at = epoch();
      isMuted = !!state?.call && wasMuted(state.call.call_id);
      if (isMuted) phone.mute(true);
      fault("");
      void load();
    },
    over() {
      const marks = history.at(-1);
      if (marks) marks.ended_at = epoch();
      isMuted = false;
      waiting?.abort();
      pendingInvite = "";
      if (offer) {
        unsaid = offer.answering ? "" : offer.id;
        forget(offer.answering ? "caller_gone" : "");
      }
      void load();
    },
    line(isRegistered, cause) {
      if (isRegistered) fault("");
      else if (cause === "Rejected" || cause === "Authentication Error") fault(say("sip_refused", { cause }));
      setLost("sip", !isRegistered && cause === "disconnected");
      show();
      comeBack();
    },
  },
  () => headset.microphone(),
);

const CHECK_LINE_MS = 6000;

/** Send some seconds of sound to the switch and back, and have the figures judged and kept. */
async function checkLine(): Promise<void> {
  const [button, place] = [get<HTMLButtonElement>("line-check"), get("line-result")];
  if (button.disabled || view !== "idle") return;
  button.disabled = true;
  get("announce").textContent = place.textContent = say("line_checking");
  try {
    const report = await phone.measure(CHECK_LINE_MS);
    if (!report) {
      place.textContent = say(view === "idle" ? "line_not_checked" : "line_gave_way");
      return;
    }
    const found = read(report);
    const loss_percent = found.packets_in ? 100 - ((100 - found.loss_percent) * (100 - found.loss_out_percent)) / 100 : 100;
    const figures = { mos: found.packets_in ? found.mos : 1, loss_percent, rtt_ms: found.rtt_ms, jitter_ms: found.jitter_ms };
    const answer = await fetch("/console/line-check", {
      method: "POST",
      credentials: "same-origin",
      headers: { "Content-Type": "application/json", "X-CSRF-Token": meta("csrf-token") },
      body: JSON.stringify({ figures }),
    });
    if (!answer.ok) throw new TypeError(String(answer.status));
    place.innerHTML = await answer.text();
    const told = `${place.querySelector(".pill")?.textContent ?? ""}. ${place.querySelector("[data-said]")?.textContent ?? ""}`.trim();
    const isPoor = place.querySelector('[data-verdict="poor"]') !== null;
    get(isPoor ? "announce-now" : "announce").textContent = told;
    if (isPoor) toast(told, "bad");
  } catch (error) {
    if (error instanceof DOMException) faulty(error);
    place.textContent = say("line_not_checked");
  } finally {
    button.disabled = false;
  }
}

// ---------------------------------------------------------------- wrap-up

function clearWrap(): void {
  wrap.clear();
  tickets.clear();
  wrapFor = "";
}

function focusWrap(): void {
  scrollTo({ top: 0 }); // on a narrow screen the form stands first
  if (document.activeElement === document.body || document.activeElement === get("hang-up")) wrap.focus();
}

/** In the call: keep now what stands there, instead of in a moment; the wrap-up begins with it. */
async function saveNow(): Promise<void> {
  const written = wrap.value();
  if (!written || wrap.hasCard) {
    toast(say(written ? "card" : "callback_when"), "bad");
    return written ? wrap.focus() : get("callback-at").focus();
  }
  await wrap.keep();
  if (wrap.isDirty) toast(say("unsaved"), "bad");
  else toast(say("saved_now"));
}

async function saveWrap(): Promise<void> {
  if (view === "on-call" && !get("wrap-card").hidden) return saveNow();
  const id = state?.wrap?.call_id;
  if (!id || view !== "wrap-up") return;
  if (wrap.wantsMore || (!wrap.chosen && state?.wrap?.needs_outcome !== false)) {
    toast(say(wrap.wantsMore ? "choose_sub" : "choose"), "bad");
    wrap.form.querySelector<HTMLInputElement>(wrap.wantsMore ? "[name=sub]" : "[name=disposition]")?.focus();
    return;
  }
  const written = wrap.value();
  if (!written || wrap.hasCard) {
    toast(say(written ? "card" : "callback_when"), "bad");
    if (written) wrap.focus();
    else get("callback-at").focus();
    return;
  }
  await wrap.settle();
  isSaving = true;
  const isDone = await act(`/console/calls/${id}/wrap-up`, written);
  isSaving = false;
  if (isDone) {
    clearWrap();
    toast(say("saved"));
  }
}

async function skip(): Promise<void> {
  const id = state?.wrap?.call_id;
  if (!id || !state?.wrap?.can_skip) return;
  await wrap.keep();
  isSaving = true;
  if (await act(`/console/calls/${id}/skip`)) toast(say("skipped"));
  isSaving = false;
}

function extend(): void {
  const id = state?.wrap?.call_id;
  if (id && state?.wrap?.can_extend) void act(`/console/calls/${id}/extend`).then((isDone) => isDone && (get("announce").textContent = say("extended")));
}

// ---------------------------------------------------------------- the page

const PILLS: Record<View, [string, string]> = {
  loading: ["", "away"],
  idle: ["ok", "ready"],
  dialling: ["live", "ring"],
  offered: ["live", "ring"],
  ringing: ["live", "ring"],
  answering: ["live", "call"],
  "on-call": ["live", "call"],
  "wrap-up": ["wrapup", "wrap"],
  offline: ["", "away"],
  passive: ["", "away"],
  "signed-out": ["", "away"],
};

function viewNow(): View {
  if (isOut) return "signed-out";
  if (!isActive) return claimed ? "passive" : "loading";
  if (!state) return "loading";
  if (offer?.answering) return activityOf(state) === "on-call" ? "on-call" : "answering";
  if (offer?.isMine) return "dialling";
  if (offer) return offer.rings ? "ringing" : "offered";
  const activity = activityOf(state);
  if (asked && activity === "idle" && Date.now() - askedDialAt < ASKED_MS) return "dialling";
  return activity === "ringing" ? (state.offer && gone.has(state.offer.offer_id) ? "idle" : "offered") : activity;
}

function show(): void {
  const next = viewNow();
  const isNew = next !== view;
  view = next;
  desk.dataset["view"] = view;
  if (isNew && view !== "idle" && view !== "offline") hearing.stop();
  for (const part of all("[data-show]")) part.hidden = !(part.dataset["show"] ?? "").split(" ").includes(view);
  if (!state) return;
  const isAway = view === "idle" && state.status !== "available";
  const isHeld = view === "on-call" && !!state.call?.on_hold;
  const [colour, shape] = isAway ? ["", "away"] : isHeld ? ["warn", "hold"] : PILLS[view];
  const pill = get("activity");
  pill.className = `pill ${colour}`.trim();
  const picture = document.querySelector<HTMLTemplateElement>(`template[data-mark="${shape}"]`)?.content.firstElementChild;
  if (picture) pill.querySelector("svg")?.replaceWith(picture.cloneNode(true));
  const word = isAway ? statusWord(statusOf(state)) : say(isHeld ? "hold" : view);
  get("waiting").hidden = view !== "idle" || isAway;
  const isMissed = isAway && ["missed", "declined"].includes(state.reason ?? "");
  if (get("why-away").hidden === isMissed) {
    get("why-away-word").textContent = `${word}.`;
    get("why-away").hidden = !isMissed;
  }
  const label = pill.querySelector("span");
  if (label && label.textContent !== word) {
    label.textContent = word;
    if (isNew && view !== "ringing") get("announce").textContent = word;
  }

  const isThere = view === "dialling" && !!state.dial?.is_ringing;
  get("dial-word").textContent = say(isThere ? "rings_there" : "dialling");
  const consult = state.call?.consult;
  const isAsked = view === "on-call" && !!consult?.is_asked;
  ringback.turn(isThere || (view === "on-call" && !isAsked && consult?.stage === "ringing"));
  transfer.show(state);
  if (isAsked) get("wrap-card").hidden = true; // the notes are the other agent's
  get<HTMLButtonElement>("hold").disabled = !!consult;
  get("end-word").textContent = say(isAsked ? "leave_call" : consult ? "end_all" : "end_call");
  get<HTMLButtonElement>("give-up").disabled = !state.dial;
  const isBusy = ["dialling", "offered", "ringing", "answering", "on-call", "wrap-up"].includes(view);
  setSelect("status", statusOf(state), !isActive || isBusy);
  setSelect("next-status", state.next_status ?? "", !isActive || !isBusy);
  setWhere(state, isBusy);
  get<HTMLButtonElement>("answer").disabled = view !== "ringing";
  get("phone").classList.toggle("ringing", view === "ringing");
  const isPaused = !!state.call?.paused;
  get("recording").hidden = !state.call?.recording || isPaused || isPausing === true;
  get("paused").hidden = !isPaused && isPausing !== true;
  get("paused-word").textContent = say(isPaused ? "paused" : "pausing");
  get<HTMLButtonElement>("pause").disabled = !state.call?.recording || !!consult;
  press("pause", isPaused, say(isPaused ? "pause_off" : "pause_on"));
  get("held").hidden = !isHeld;
  setOverheard(view === "on-call" ? (state.call?.overheard ?? "") : "");
  get("muted").hidden = !isMuted;
  press("hold", isHeld, say(isHeld ? "hold_off" : "hold_on"));
  press("mute", isMuted, say(isMuted ? "mute_off" : "mute_on"));
  if (view !== "on-call" && isNew) closePad();
  get("save-word").textContent = say(view === "on-call" ? "save_now" : (state.next_status ?? state.status).startsWith("away") ? "save" : "save_ready");
  get<HTMLButtonElement>("wrap-save").disabled = view !== "wrap-up" && view !== "on-call";
  get<HTMLButtonElement>("extend").disabled = !state.wrap?.can_extend;
  get("extend").hidden = !!state.wrap && !state.wrap.ends_at;
  get("skip").hidden = !state.wrap?.can_skip;
  const cameBack = view === "wrap-up" ? state.wrap?.came_back : null;
  get("came-back").hidden = !cameBack;
  if (cameBack) get("came-back-word").textContent = transfer.cameBack(cameBack);
  setDispositions(state.dispositions);
  dialField.offer(state.queues);
  troubled = state.call?.call_id ?? state.wrap?.call_id ?? troubled;
  if (view === "ringing" && isNew) figures = null;
  setQueues();
  setLine();
  tick();
}

/** The choice stands where the agent put it until the server has answered; one that was refused goes back. */
async function choosePlace(telephone: boolean): Promise<void> {
  isGoing = telephone;
  await act("/console/rings-at", { telephone });
  await load();
  isGoing = null;
  show();
}

/** Where calls ring, and what an agent at their telephone can do here: all but speak. */
function setWhere(now: State, isBusy: boolean): void {
  const theirs = now.telephone;
  const isThere = isOutside(now);
  get("where").hidden = !theirs || !["idle", "offline"].includes(view);
  get("where-number").textContent = theirs?.number ?? "";
  get<HTMLFieldSetElement>("where-choice").disabled = !isActive || isBusy;
  for (const one of all<HTMLInputElement>("#where-choice input")) one.checked = (one.value === "telephone") === (isGoing ?? isThere);
  get("where-code").hidden = !theirs?.code;
  get("where-code").textContent = theirs?.code ? say("check_outside", { key: theirs.code }) : "";
  get("outside-hint").hidden = !isThere;
  get("outside-hint").textContent = isThere ? say("take_outside", { key: wanted() }) : "";
  get("answer").hidden = isThere && !now.simulator;
  for (const id of ["mute", "keypad"]) get<HTMLButtonElement>(id).disabled = isThere;
  get("keys-there").hidden = !isThere;
  if (isThere) get("dial-card").hidden = get("headset").hidden = true;
}

let overheard = "";

/** Whether a team leader is in this call; its agent always knows. */
function setOverheard(ear: string): void {
  if (ear === overheard) return;
  overheard = ear;
  get("overheard").hidden = !ear;
  get("overheard-word").textContent = ear ? say(`overheard_${ear}`) : "";
  get("announce").textContent = say(ear ? `overheard_${ear}` : "overheard_over");
}

function statusWord(value: string): string {
  const word = get("status").querySelector(`option[value="${CSS.escape(value)}"]`)?.textContent;
  const key = value.replace(":", "_");
  return word ?? words[key] ?? say("away");
}

function setSelect(id: string, value: string, isOff: boolean): void {
  const select = get<HTMLSelectElement>(id);
  // what the system made of the agent can be shown, but not chosen
  if (value && !select.querySelector(`option[value="${CSS.escape(value)}"]`)) {
    const made = new Option(statusWord(value), value);
    made.disabled = true;
    select.append(made);
  }
  if (document.activeElement !== select) select.value = value;
  select.disabled = isOff;
}

function press(id: string, isOn: boolean, word = ""): void {
  const button = get(id);
  button.setAttribute("aria-pressed", String(isOn));
  if (word) {
    const label = button.querySelector("span");
    if (label) label.textContent = word;
  }
}

let shownDispositions = "";

function setDispositions(list: State["dispositions"]): void {
  const key = JSON.stringify(list);
  if (!list.length || key === shownDispositions) return;
  shownDispositions = key;
  wrap.offer(list);
}

function setQueues(): void {
  if (!state) return;
  const row = get<HTMLTemplateElement>("queue-row").content.firstElementChild;
  get("queues").replaceChildren(
    ...state.queues.map((queue) => {
      const made = row?.cloneNode(true) as HTMLElement;
      const put = (name: string, text: string): void => {
        const place = made.querySelector(`[data-${name}]`);
        if (place) place.textContent = text;
      };
      put("name", queue.company && queue.company !== queue.name ? `${queue.name} · ${queue.company}` : queue.name);
      put("waiting", queue.waiting ? `${queue.waiting} ${say("waiting")}` : say("nobody"));
      put("longest", queue.longest_s == null || !queue.waiting ? "" : span(queue.longest_s));
      if (queue.over) {
        const longest = made.querySelector("[data-longest]");
        longest?.classList.add("over");
        put("longest", `▲ ${span(queue.longest_s ?? 0)}`);
        const spoken = document.createElement("span");
        spoken.className = "sr";
        spoken.textContent = ` ${say("over")}`;
        longest?.append(spoken);
      }
      return made;
    }),
  );
  freshen(get("queues").parentElement ?? document);
  callers.told(state.queues.reduce((sum, queue) => sum + queue.waiting, 0));
}

const [WEAK_MOS, BAD_MOS] = [3.6, 3.1]; // ITU-T G.107: under 3.6 many users are dissatisfied, under 3.1 nearly all
const [WEAK_LOSS, BAD_LOSS] = [3, 8]; // per cent of the last seconds
let figures: Stats | null = null; // of the last look, kept for a report after the call
let recentLoss = 0;

async function measure(): Promise<void> {
  const fresh = view === "on-call" ? await stats() : null;
  if (!fresh) return;
  const before = figures && figures.packets_in <= fresh.packets_in ? figures : null;
  const arrived = fresh.packets_in - (before?.packets_in ?? 0);
  const missing = Math.max(0, fresh.lost - (before?.lost ?? 0));
  recentLoss = arrived + missing > 0 ? (100 * missing) / (arrived + missing) : 0;
  figures = fresh;
  setLine();
}

let troubled = ""; // the call a report is about: the one in hand, or the one just over

async function reportTrouble(what: string): Promise<void> {
  if (!troubled) return;
  const { mos, loss_percent, rtt_ms, jitter_ms, packets_in, packets_out } = figures ?? {};
  if (await act(`/console/calls/${troubled}/problem`, { what, figures: { mos, loss_percent, rtt_ms, jitter_ms, packets_in, packets_out } })) toast(say("reported"));
}

function setLine(): void {
  const isGood = !!state?.simulator || isOutside(state) || phone.registered;
  const pill = get("line");
  const isWeak = view === "on-call" && !!figures && (figures.mos < WEAK_MOS || recentLoss > WEAK_LOSS);
  const isBad = isWeak && !!figures && (figures.mos < BAD_MOS || recentLoss > BAD_LOSS);
  pill.className = `pill ${isBad ? "bad" : isGood && !isWeak ? "ok" : "warn"}`;
  for (const one of all<HTMLElement>("[data-line]", pill)) one.hidden = (one.dataset["line"] === "ok") !== (isGood && !isWeak);
  const measured = view === "on-call" && figures ? say(isBad ? "line_bad" : isWeak ? "line_weak" : "line_call", { mos: figures.mos.toFixed(1) }) : "";
  const word = isOutside(state) ? say("line_outside") : state?.simulator ? say("line_sim") : !phone.registered ? say("line_off") : measured || say("line_ok");
  get("quality").textContent =
    view === "on-call" && figures
      ? say("line_detail", { mos: figures.mos.toFixed(1), rtt: figures.rtt_ms === null ? "–" : figures.rtt_ms.toFixed(0), loss: recentLoss.toFixed(1) })
      : "";
  if (get("line-word").textContent !== word) get("line-word").textContent = word;
}

function tick(): void {
  const now = Date.now() + skew;
  if (!state) return;
  get("since").textContent = span((now - Date.parse(offer ? new Date(offer.offeredAt).toISOString() : state.since)) / 1000);
  for (const one of all<HTMLElement>("[data-waited]"))
    if (offer && !offer.answering) one.textContent = (one.dataset["words"] ?? "").replace("{time}", span((now - Date.parse(one.dataset["waited"] ?? "")) / 1000));
  if (lostAt && !get("lost").hidden) {
    const gone_s = (Date.now() - lostAt) / 1000;
    get("lost-word").textContent = state.call ? say("back_in", { time: span(PARKED_S - gone_s) }) : say("lost_for", { time: span(gone_s) });
  }
  comeBack();
  if (view === "dialling") get("dialled").textContent = span((now - (state.dial ? Date.parse(state.dial.since) : askedDialAt + skew)) / 1000);
  if (asked && Date.now() - askedDialAt > ASKED_MS) {
    asked = "";
    show();
  }
  if (state.call) get("talk").textContent = span((now - Date.parse(state.call.answered_at)) / 1000);
  if (offer && !offer.answering) {
    const left = Math.max(0, offer.expiresAt - now);
    const length = Math.max(1, offer.expiresAt - offer.offeredAt);
    document.getElementById("left-bar")?.setAttribute("width", `${Math.min(100, (100 * left) / length).toFixed(1)}%`);
    get("left").textContent = say("left", { s: Math.ceil(left / 1000) });
    if (left === 0 && now - offer.expiresAt > 3000) void load();
  }
  if (state.wrap && view === "wrap-up") {
    const end = state.wrap.ends_at ? Date.parse(state.wrap.ends_at) : 0;
    const isOverdue = !!end && !!state.wrap.holds_over && now >= end;
    get("wrap-left").textContent = isOverdue ? "" : end ? say("wrap_left", { time: span((end - now) / 1000) }) : say("no_limit");
    const place = get("overdue");
    if (place.hidden === isOverdue) {
      place.hidden = !isOverdue;
      if (isOverdue) get("announce").textContent = get("overdue-word").textContent;
    }
    if (isOverdue) get("overdue-for").textContent = span((now - end) / 1000);
  } else get("overdue").hidden = true;
}

const ALONE_MS = 1500; // a call whose end is on its way has no session either
const AGAIN_MS = 6000;
const PARKED_S = 45; // the switchboard's own patience
let aloneAt = 0;
let askedAt = 0;
let hurries = false; // the line was taken from another tab: a call that is up is to come at once

/** The server says that a call is on, and this page has no voice in it: a reload, or a line that broke. Ask to be brought back. */
function comeBack(): void {
  const call = state?.call;
  const isAlone = !!call && view === "on-call" && isActive && !state?.simulator && !isOutside(state) && !offer && !phone.isUp && !phone.hasInvite;
  const now = Date.now();
  aloneAt = isAlone ? aloneAt || now : 0;
  const isOut = isAlone && (hurries || now - aloneAt > ALONE_MS);
  if (isOut || lost.has("leg")) setLost("leg", isOut);
  if (!isOut || !phone.registered || now - askedAt < AGAIN_MS) return;
  askedAt = now;
  hurries = false;
  void post(`/console/calls/${call.call_id}/rejoin`).catch(() => undefined);
}

const lost = new Set<string>();

/** The notice appears only when a part stays away for a moment, and never for the simulator's missing line. */
function setLost(part: string, isLost: boolean): void {
  if (isLost) lost.add(part);
  else lost.delete(part);
  lostAt = lost.size ? lostAt || Date.now() : 0;
  clearTimeout(calm);
  if (!lost.size) get("lost").hidden = true;
  else calm = window.setTimeout(() => (get("lost").hidden = !lost.size || isOut || !isActive), LOST_AFTER_MS);
}

// ---------------------------------------------------------------- live events

function stream(): void {
  source?.close();
  const made = new EventSource(`${meta("live-url")}/live/agent`, { withCredentials: true });
  source = made;
  made.addEventListener("open", () => {
    hasStream = true;
    setLost("stream", false);
    void load();
    void messages.look();
  });
  made.addEventListener("error", () => {
    hasStream = false;
    setLost("stream", true);
    // a refused stream (401, 503) is not tried again by the browser itself
    if (made.readyState === EventSource.CLOSED && source === made && !isOut) window.setTimeout(() => isActive && source === made && stream(), 2000);
  });
  const on = <T = Record<string, string>>(name: string, does: (data: T) => void): void =>
    made.addEventListener(name, (event) => {
      let data = {} as T;
      try {
        data = JSON.parse((event as MessageEvent<string>).data || "{}") as T;
      } catch {
        /* an event without a body is a wake-up all the same */
      }
      does(data);
    });
  on("state", () => void load());
  on<{ state?: string; since?: string }>("activity", ({ state: now, since }) => now && since && becomes(now, since));
  on<{ queues?: Record<string, { waiting: number; since: string | null }> }>("queues", ({ queues }) => queuesMoved(queues ?? {}));
  on("offer", (data) => {
    const { offer_id, expires_at, offered_at } = data;
    if (!offer_id || gone.has(offer_id)) return;
    begin(offer_id, expires_at ? { expires_at, ...(offered_at ? { offered_at } : {}) } : undefined);
  });
  on("offer-withdrawn", (data) => {
    const word = WITHDRAWN[data["reason"] ?? ""] ?? "withdrawn";
    if (offer && offer.id === data["offer_id"] && !offer.answering) forget(word);
    else if (unsaid && unsaid === data["offer_id"] && word) toast(say(word));
    unsaid = "";
    void load();
  });
  on("dial-ended", (data) => dialEnded(data["call_id"] ?? "", data["outcome"] ?? "", data["reason"] ?? ""));
  on("transfer-refused", (data) => {
    transfer.refused(data["reason"] ?? "");
    void load();
  });
  on("transfer-came-back", (data) => {
    const told = transfer.cameBack(data["reason"] ?? "");
    toast(told, "bad");
    get("announce").textContent = told;
    void load();
  });
  on("watch", (data) => team.told(data["call_id"] ?? "", data["ear"] ?? "", data["why"] ?? ""));
  on("lead-refused", (data) => team.refused(data["reason"] ?? ""));
  on("overheard", () => void load());
  on("message-left", () => {
    toast(say("message_left"));
    get("announce").textContent = say("message_left");
    if ((view === "idle" || view === "offline") && !hearing.isOpen) void reloadIdle();
  });
  on("message", () => void messages.look());
  on("recording-goes-on", () => {
    isPausing = null;
    get("not-paused").hidden = false;
    void load();
  });
  on("sent-home", (data) => {
    const why = `home_${(data["reason"] ?? "").replaceAll("-", "_")}`;
    const told = say("sent_home", { why: say(why in words ? why : "home_shift_over") });
    toast(told, "bad");
    get("announce").textContent = told;
  });
  on("ends-soon", () => toast(say("ends_soon")));
  on("signed-out", signedOut);
}

// ---------------------------------------------------------------- buttons and keys

function closePad(): void {
  get("pad").hidden = true;
  get("keypad").setAttribute("aria-expanded", "false");
  get("padline").textContent = "\u00a0";
}

function togglePad(): void {
  if (isOutside(state)) return; // the keys are those of the telephone
  const isOpen = get("pad").hidden;
  if (!isOpen) return closePad();
  get("pad").hidden = false;
  get("keypad").setAttribute("aria-expanded", "true");
}

function digit(key: string): void {
  phone.digit(key);
  get("padline").textContent = `${(get("padline").textContent ?? "").trim()}${key}`;
}

const MUTED = "seatline-muted"; // the call that is muted: a reload or another tab does not open the microphone

const wasMuted = (callId: string): boolean => localStorage.getItem(MUTED) === callId;

function mute(): void {
  if (isOutside(state)) return;
  isMuted = !isMuted;
  phone.mute(isMuted);
  localStorage.setItem(MUTED, isMuted ? (state?.call?.call_id ?? "") : "");
  get("announce").textContent = say(isMuted ? "muted" : "unmuted");
  show();
}

function pause(): void {
  const call = state?.call;
  if (!call?.recording || call.consult || isPausing !== null) return;
  isPausing = !call.paused;
  get("not-paused").hidden = true;
  show();
  void act(`/console/calls/${call.call_id}/recording`, { paused: isPausing }).then((isDone) => {
    if (isDone) return;
    if (isPausing) get("not-paused").hidden = false;
    isPausing = null;
    show();
  });
}

function hold(): void {
  const call = state?.call;
  if (call && !call.consult) void act(`/console/calls/${call.call_id}/hold`, { on: !call.on_hold });
}

async function setStatus(value: string, isNext: boolean): Promise<void> {
  const body = splitStatus(value);
  await act("/console/status", isNext ? { ...body, status: body.status || null, when: "after-call" } : body);
}

let lastKey = "";
let lastKeyAt = 0;

const DEEDS: Partial<Record<View, Partial<Record<Deed, () => void>>>> = {
  idle: { dial: () => isOutside(state) || dialField.focus() },
  dialling: { hang_up: () => void giveUp() },
  ringing: { answer: () => void answer(), decline: () => void decline() },
  offered: { decline: () => void decline() },
  "on-call": {
    hang_up: () => void hangUp(),
    mute,
    hold,
    keypad: togglePad,
    pause,
    notes: () => wrap.focus(),
    transfer: () => transfer.toggle(),
    swap: () => transfer.confer("swap"),
    merge: () => transfer.confer("merge"),
    leave: () => transfer.confer("leave"),
    drop: () => transfer.confer("drop"),
  },
  "wrap-up": { extend, skip: () => void skip(), notes: () => wrap.focus() },
};

function onKey(event: KeyboardEvent): void {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && (view === "wrap-up" || view === "on-call")) {
    event.preventDefault();
    return void saveWrap();
  }
  if (event.key === "Escape" && event.target === get("notes")) return get("notes").blur(); // the letters are keys again
  const held = shortcuts.held(event);
  if (event.repeat || document.querySelector("dialog[open]")) return;
  if (held !== undefined) return pressed(held, event);
  if (isTyping(event) || !shortcuts.isOn) return;
  if (view === "on-call" && !get("pad").hidden && /^[0-9*#]$/.test(event.key)) return digit(event.key);
  pressed(event.key, event);
}

/** Do what a key means in this view; twice in a moment is once. */
function pressed(key: string, event: KeyboardEvent): void {
  const now = performance.now();
  if (key === lastKey && now - lastKeyAt < KEY_GAP_MS) return;
  const wanted = shortcuts.deed(key);
  const does = wanted && DEEDS[view]?.[wanted];
  if (does) {
    lastKey = key;
    lastKeyAt = now;
    event.preventDefault();
    does();
  } else if (/^[1-9]$/.test(key) && ["on-call", "wrap-up"].includes(view)) {
    const radio = all<HTMLInputElement>("#dispositions input")[Number(key) - 1];
    if (event.altKey) event.preventDefault();
    if (radio) wrap.choose(radio);
  }
}

function wire(): void {
  const click = (id: string, does: () => void): void => get(id).addEventListener("click", does);
  click("answer", () => void answer());
  click("decline", () => void decline());
  click("hang-up", () => void hangUp());
  click("give-up", () => void giveUp());
  click("mute", mute);
  click("hold", hold);
  click("keypad", togglePad);
  click("pause", pause);
  click("extend", extend);
  click("skip", () => void skip());
  click("back", () => void setStatus("available", false));
  click("line-check", () => void checkLine());
  click("go-available", () => void setStatus("available", false));
  click("take-over", () => void becomeActive(takeOver));
  click("phone-again", () => {
    fault("");
    phone.refresh();
    void headset.microphone().then((copy) => copy.getTracks().forEach((track) => track.stop()), faulty);
    void load();
  });
  for (const button of all("[data-digit]")) button.addEventListener("click", () => digit(button.dataset["digit"] ?? ""));
  get("where-choice").addEventListener("change", (event) => void choosePlace((event.target as HTMLInputElement).value === "telephone"));
  get<HTMLSelectElement>("status").addEventListener("change", (event) => void setStatus((event.target as HTMLSelectElement).value, false));
  get<HTMLSelectElement>("next-status").addEventListener("change", (event) => void setStatus((event.target as HTMLSelectElement).value, true));
  wrap.form.addEventListener("submit", (event) => {
    event.preventDefault();
    void saveWrap();
  });
  get<HTMLFormElement>("trouble-form").addEventListener("submit", (event) => {
    void reportTrouble(String(new FormData(event.target as HTMLFormElement).get("what") ?? "other"));
  });
  document.addEventListener("submit", (event) => {
    const form = event.target instanceof HTMLFormElement ? event.target : null;
    const url = form?.dataset["outcome"];
    if (!form || !url) return;
    event.preventDefault();
    void act(url, { disposition: String(new FormData(form).get("outcome") ?? "") }).then((isDone) => {
      if (isDone) toast(say("outcome_kept"));
      return reloadIdle();
    });
  });
  document.addEventListener("click", (event) => {
    const button = event.target instanceof Element ? event.target.closest<HTMLElement>("[data-kept]") : null;
    if (button)
      void act(button.dataset["kept"] ?? "").then((isDone) => {
        if (isDone) toast(say("kept"));
        return reloadIdle();
      });
  });
  // the menu's sign-out ends the shift first, so that the seat is free at once
  document.querySelector('form[action="/sign-out"]')?.addEventListener("submit", (event) => {
    event.preventDefault();
    if (view === "on-call" && !confirm(say("leave"))) return;
    isLeaving = true;
    void post("/console/sign-out").catch(() => undefined).then(() => (event.target as HTMLFormElement).submit());
  });
  const notify = get("notify");
  notify.hidden = !("Notification" in window) || Notification.permission !== "default";
  notify.addEventListener("click", () => void Notification.requestPermission().then(() => (notify.hidden = true)));
  document.addEventListener("keydown", onKey);
  addEventListener("online", () => {
    phone.refresh();
    if (isActive) stream();
  });
  addEventListener("offline", () => setLost("network", true));
  addEventListener("online", () => setLost("network", false));
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) void load();
  });
  addEventListener("beforeunload", (event) => {
    if (!isLeaving && (phone.isUp || (isActive && wrap.isDirty))) event.preventDefault();
  });
}

let isLeaving = false;
let claimed = false;
let waiting: AbortController | null = null; // for the line, in a tab that has still the voice of a call

/** Another tab has taken the phone. A call stays on here until the switch has brought it there: the caller hears no gap. */
function lostIt(): void {
  isActive = false;
  ring.stop();
  source?.close();
  const keepsCall = !!state?.call && phone.giveAway();
  if (!keepsCall) phone.stop();
  show();
  // should the other tab go before it has the call, this one takes it back
  if (keepsCall) void becomeActive((lost) => takeBack(lost, (waiting = new AbortController()).signal));
}

async function becomeActive(take: (lost: () => void) => Promise<boolean> = claim): Promise<void> {
  waiting?.abort();
  const hasPhone = await take(lostIt);
  claimed = true;
  if (!hasPhone) return show();
  isActive = true;
  hurries = take === takeOver;
  stream();
  await load();
  if (state && !state.simulator && !isOutside(state)) await askForMicrophone();
}

/** Ask before the first call, not in the middle of it. */
async function askForMicrophone(): Promise<void> {
  const permission = await navigator.permissions?.query({ name: "microphone" as PermissionName }).catch(() => null);
  if (permission?.state !== "denied") await headset.microphone().then((copy) => copy.getTracks().forEach((track) => track.stop()), faulty);
  else fault(say("mic_denied"));
}

async function stats(): Promise<Stats | null> {
  const report = await phone.report();
  return report ? read(report) : null;
}

declare global {
  interface Window {
    /** For the tests and the benchmark; nothing on the page reads it. */
    seatline: {
      state(): { view: View; server: State | null; registered: boolean; offer: string | null; popped: string; active: boolean; muted: boolean };
      stats(): Promise<Stats | null>;
      readonly marks: Marks | null;
      readonly history: readonly Marks[];
    };
  }
}

window.seatline = {
  state: () => ({ view, server: state, registered: phone.registered, offer: offer?.id ?? null, popped, active: isActive, muted: isMuted }),
  stats,
  get marks() {
    return history.at(-1) ?? null;
  },
  history,
};

unlock();
wire();
show();
void becomeActive();
setInterval(tick, 500);
setInterval(() => {
  if (isActive && !isOut && !hasStream) void load();
}, POLL_MS);
setInterval(() => isActive && void load(), CHECK_MS);
setInterval(() => void measure(), 3000);
