// Passkeys: a form that asks the device, then sends its answer like any other form.
// `data-passkey` asks for one that is there (and offers it while one types the e-mail address), `data-passkey-make` for a new one.
const token = (form: HTMLFormElement): FormData => {
  const body = new FormData();
  for (const name of ["csrf_token", "token"]) {
    const field = form.elements.namedItem(name);
    if (field instanceof HTMLInputElement) body.append(name, field.value);
  }
  return body;
};

async function options<T>(form: HTMLFormElement, address: string, signal: AbortSignal | null = null): Promise<T> {
  const answer = await fetch(address, { method: "POST", body: token(form), credentials: "same-origin", headers: { Accept: "application/json" }, signal });
  if (!answer.ok) throw new Error(String(answer.status));
  return (await answer.json()) as T;
}

function say(form: HTMLFormElement, text: string | undefined): void {
  const said = form.querySelector<HTMLElement>("[data-said]");
  if (!said) return;
  said.hidden = !text;
  said.textContent = text ?? "";
}

function send(form: HTMLFormElement, made: Credential | null): void {
  const field = form.elements.namedItem("answer");
  if (!(made instanceof PublicKeyCredential) || !(field instanceof HTMLInputElement)) throw new Error("no answer");
  field.value = JSON.stringify(made.toJSON());
  form.submit();
}

let waiting: AbortController | null = null;

// a later press took its place: nobody refused anything
const isGivenUp = (error: unknown): boolean => error instanceof DOMException && error.name === "AbortError";

async function show(form: HTMLFormElement, mediation: CredentialMediationRequirement): Promise<void> {
  waiting?.abort();
  const mine = (waiting = new AbortController());
  const asked = await options<PublicKeyCredentialRequestOptionsJSON>(form, form.dataset["passkey"] ?? "", mine.signal);
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(asked);
  send(form, await navigator.credentials.get({ publicKey, mediation, signal: mine.signal }));
}

async function make(form: HTMLFormElement): Promise<void> {
  const asked = await options<PublicKeyCredentialCreationOptionsJSON>(form, form.dataset["passkeyMake"] ?? "");
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(asked);
  send(form, await navigator.credentials.create({ publicKey }));
}

export function startPasskeys(): void {
  const isKnown = typeof PublicKeyCredential === "function" && "parseRequestOptionsFromJSON" in PublicKeyCredential;
  for (const form of document.querySelectorAll<HTMLFormElement>("form[data-passkey], form[data-passkey-make]")) {
    const isSignIn = "passkey" in form.dataset;
    if (!isKnown) {
      if (!isSignIn) say(form, form.dataset["unknown"]);
      continue;
    }
    form.hidden = false;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      say(form, "");
      (isSignIn ? show(form, "optional") : make(form)).catch((error: unknown) => {
        if (!isGivenUp(error)) say(form, form.dataset["refused"]);
      });
    });
    if (!isSignIn || !("conditional" in form.dataset)) continue;
    void PublicKeyCredential.isConditionalMediationAvailable?.().then((isThere) => {
      if (isThere) show(form, "conditional").catch(() => undefined); // given up, or another way was chosen
    });
  }
}
