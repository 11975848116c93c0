// The same look for card numbers as the server takes (customers/cards.py), so that the agent hears of it while typing.

const RUN = /(?<![\w+])\d+(?:[ .\-]{1,2}\d+)*/g;
const NETWORKS =
  /^(?:4\d{12}(?:\d{3}){0,2}|(?:5[1-5]\d\d|222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d{12}|3[47]\d{13}|3(?:0[0-5]|[68]\d)\d{11}|35(?:2[89]|[3-8]\d)\d{12}|6\d{15,18}|5[06-8]\d{14,17})$/;

function isCard(digits: string): boolean {
  if (!NETWORKS.test(digits)) return false;
  let total = 0;
  [...digits].reverse().forEach((sign, place) => {
    const value = Number(sign) * (1 + (place % 2));
    total += value > 9 ? value - 9 : value;
  });
  return total % 10 === 0;
}

export function holdsCardNumber(text: string): boolean {
  for (const [run] of text.normalize("NFKC").matchAll(RUN)) {
    const groups = run.match(/\d+/g) ?? [];
    for (let start = 0; start < groups.length; start++) {
      let digits = "";
      for (const group of groups.slice(start)) {
        digits += group;
        if (digits.length > 19) break;
        if (isCard(digits)) return true;
      }
    }
  }
  return false;
}
