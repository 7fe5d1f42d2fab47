/** What keys do. */
import { Kbd, Modal } from "@mantine/core";
import { KEYS } from "./keys";
import styles from "./Palette.module.css";

export function KeyList({ onClose }: { onClose: () => void }) {
  return (
    <Modal opened onClose={onClose} title="Keyboard" size={560} transitionProps={{ duration: 0 }}>
      {KEYS.map(({ title, keys }) => (
        <section key={title} aria-label={title}>
          <h3 className={styles.title}>{title}</h3>
          <dl className={styles.keys}>
            {keys.map(({ keys: chords, does }) => (
              <div key={does}>
                <dt>
                  {chords.map((chord, at) => (
                    <span key={chord.join()}>
                      {at > 0 && " "}
                      {chord.map((one, place) => (
                        <span key={one}>
                          {place > 0 && " + "}
                          <Kbd size="xs">{one}</Kbd>
                        </span>
                      ))}
                    </span>
                  ))}
                </dt>
                <dd>{does}</dd>
              </div>
            ))}
          </dl>
        </section>
      ))}
    </Modal>
  );
}
