// One tab holds the phone. The lock lives in the browser, so a tab that crashed gives it back by itself.

const LOCK = "seatline-phone";

function hold(options: LockOptions, lost: () => void): Promise<boolean> {
  return new Promise((resolve) => {
    navigator.locks
      .request(LOCK, options, (lock) => {
        resolve(lock !== null);
        return lock ? new Promise<never>(() => undefined) : undefined;
      })
      .catch(() => lost()); // another tab stole it
  });
}

/** Take the phone for this tab if no other has it; `lost` is called when another takes it over later. */
export const claim = (lost: () => void): Promise<boolean> => hold({ ifAvailable: true }, lost);

/** Take the phone away from whichever tab has it. */
export const takeOver = (lost: () => void): Promise<boolean> => hold({ steal: true }, lost);
