/** Everything by its name: type, choose with the arrow keys, Enter. */
import "@mantine/spotlight/styles.layer.css";
import { createSpotlight, Spotlight } from "@mantine/spotlight";
import { useEffect, useState } from "react";
import { Icon } from "../Icons";
import { groups } from "./match";
import styles from "./Palette.module.css";
import { useEntries } from "./useEntries";
import { useSelection } from "./useSelection";

const [store, palette] = createSpotlight();

interface Props {
  onClose: () => void;
  onKeys: () => void;
}

export function Palette({ onClose, onKeys }: Props) {
  const [typed, setTyped] = useState("");
  const entries = useEntries(typed, onKeys);
  const found = groups(entries, typed);
  const onKeyDown = useSelection(store, typed, found);
  useEffect(() => {
    palette.open();
    return () => palette.close();
  }, []);
  return (
    <Spotlight.Root
      store={store}
      shortcut={null}
      query={typed}
      onQueryChange={setTyped}
      onSpotlightClose={onClose}
      attributes={{ content: { "aria-label": "Search and commands" } }}
      overlayProps={{ blur: 0, backgroundOpacity: 0.4 }}
      lockScroll={false}
      transitionProps={{ duration: 0 }}
      scrollable
      maxHeight="min(60vh, 520px)"
      size={640}
    >
      <Spotlight.Search
        aria-label="Search and commands"
        placeholder="Runs, metrics, pages, commands"
        leftSection={<Icon name="search" size={15} />}
        onKeyDown={onKeyDown}
      />
      <Spotlight.ActionsList>
        {found.map(({ title, entries: some }) => (
          <Spotlight.ActionsGroup key={title} label={title}>
            {some.map((entry) => (
              <Spotlight.Action key={entry.id} onClick={entry.run}>
                <span className={styles.entry}>
                  <span className={styles.label}>{entry.label}</span>
                  <span className={styles.note}>{entry.note}</span>
                </span>
              </Spotlight.Action>
            ))}
          </Spotlight.ActionsGroup>
        ))}
        {!found.length && <Spotlight.Empty>Nothing is called that</Spotlight.Empty>}
      </Spotlight.ActionsList>
    </Spotlight.Root>
  );
}
