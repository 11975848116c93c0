// Light, dark, or as the system says. A cookie, so that the server writes the choice into <html> before the first paint.
import { all } from "./page";

const COOKIE = "seatline_theme";
const YEAR_S = 31_536_000;

export function setTheme(theme: string): void {
  const root = document.documentElement;
  if (theme) root.dataset["bsTheme"] = theme;
  else delete root.dataset["bsTheme"];
  document.cookie = `${COOKIE}=${theme}; path=/; max-age=${theme ? YEAR_S : 0}; samesite=lax`;
  for (const button of all("[data-theme]")) button.setAttribute("aria-pressed", String(button.dataset["theme"] === theme));
}

export function startThemes(): void {
  document.addEventListener("click", (event) => {
    const button = (event.target as Element).closest<HTMLElement>("[data-theme], [data-theme-toggle]");
    if (!button) return;
    if (button.dataset["theme"] !== undefined) return setTheme(button.dataset["theme"]);
    const now = document.documentElement.dataset["bsTheme"] ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
    setTheme(now === "dark" ? "light" : "dark");
  });
  document.addEventListener("change", (event) => {
    const radio = event.target as HTMLInputElement;
    if (radio.name === "theme") setTheme(radio.value);
  });
}
