// One tab holds the phone. The lock lives in the browser, so a tab that crashed gives it back by itself.

const LOCK = "seatline-phone";

function hold(options: LockOptions, lost: () => void): Promise<boolean> {
  return new Promise((resolve) => {
    let isHeld = false;
    navigator.locks
      .request(LOCK, options, (lock) => {
        isHeld = lock !== null;
        resolve(isHeld);
        return lock ? new Promise<never>(() => undefined) : undefined;
      })
      .catch(() => (isHeld ? lost() : resolve(false))); // stolen by another tab, or not waited for any more
  });
}

/** Take the phone for this tab if no other has it; `lost` is called when another takes it over later. */
export const claim = (lost: () => void): Promise<boolean> => hold({ ifAvailable: true }, lost);

/** Take the phone away from whichever tab has it. */
export const takeOver = (lost: () => void): Promise<boolean> => hold({ steal: true }, lost);

/** Take the phone as soon as no other tab has it any more; false when that was called off. */
export const takeBack = (lost: () => void, signal: AbortSignal): Promise<boolean> => hold({ signal }, lost);
