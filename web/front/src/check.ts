// Before the shift: the headset can be tried while nobody is waiting.
import { Headset, micFault } from "./console/headset";
import { unlock } from "./console/ring";

const place = document.getElementById("headset");
const words = JSON.parse(place?.dataset["words"] ?? "{}") as Record<string, string>;
const say = (key: string): string => words[key] ?? key;

unlock();
new Headset(say, (error) => {
  const word = document.getElementById("mic-word");
  if (word) word.textContent = say(micFault(error));
});
