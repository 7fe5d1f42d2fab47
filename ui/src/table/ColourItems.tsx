/** The colour of a run's lines, chosen for everybody. */
import { Menu } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { send } from "../api/client";
import type { RunRow } from "../api/types";
import { CHOICES } from "../charts/palette";
import styles from "./ColourItems.module.css";

const NAMES = ["Blue", "Orange", "Green", "Purple", "Light blue", "Ochre", "Violet", "Pink"];

export function ColourItems({ run, project }: { run: RunRow; project: string }) {
  const queries = useQueryClient();
  const choose = useMutation({
    mutationFn: (colour: string) => send("PATCH", `/runs/${encodeURIComponent(run.id)}`, { colour }),
    onSuccess: () => {
      for (const kind of ["runs", "groups"]) void queries.invalidateQueries({ queryKey: [kind, project] });
    },
  });
  return (
    <>
      <Menu.Label>Colour</Menu.Label>
      <div className={styles.colours}>
        {CHOICES.map((colour, i) => (
          <Menu.Item
            key={colour}
            className={styles.item ?? ""}
            aria-label={`${NAMES[i]} lines`}
            data-chosen={run.colour === colour || undefined}
            onClick={() => choose.mutate(colour)}
          >
            <span className={styles.colour} style={{ background: colour }} />
          </Menu.Item>
        ))}
      </div>
      <label className={styles.own}>
        <input
          type="color"
          aria-label="Another colour"
          defaultValue={run.colour ?? "#888888"}
          onBlur={(event) => {
            if (event.currentTarget.value !== (run.colour ?? "#888888")) choose.mutate(event.currentTarget.value);
          }}
        />
        Another one
      </label>
      <Menu.Item disabled={!run.colour} onClick={() => choose.mutate("")}>
        As it comes
      </Menu.Item>
    </>
  );
}
