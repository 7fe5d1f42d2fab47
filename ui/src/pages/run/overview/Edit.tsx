/** What people say of a run: name, tags, notes. */
import { Button, TagsInput, Textarea, TextInput, UnstyledButton } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { send } from "../../../api/client";
import type { RunDetail } from "../../../api/types";
import { Icon } from "../../../shell/Icons";
import { Panel } from "../parts";
import styles from "./Overview.module.css";

export function Notes({ run }: { run: RunDetail }) {
  const [open, setOpen] = useState(false);
  return (
    <Panel
      title="Notes"
      actions={
        !open && (
          <UnstyledButton className={styles.link} onClick={() => setOpen(true)}>
            <Icon name="edit" size={13} /> Edit
          </UnstyledButton>
        )
      }
    >
      {open ? (
        <Form run={run} onDone={() => setOpen(false)} />
      ) : (
        <p className={run.notes ? styles.notes : styles.none}>
          {run.notes || "None yet: what was tried here, and why?"}
        </p>
      )}
    </Panel>
  );
}

function Form({ run, onDone }: { run: RunDetail; onDone: () => void }) {
  const [name, setName] = useState(run.name);
  const [tags, setTags] = useState(run.tags);
  const [notes, setNotes] = useState(run.notes ?? "");
  const queries = useQueryClient();
  const save = useMutation({
    mutationFn: () => send("PATCH", `/runs/${encodeURIComponent(run.id)}`, { name, tags, notes }),
    onSuccess: async () => {
      await queries.invalidateQueries({ queryKey: ["run", run.id] });
      await queries.invalidateQueries({ queryKey: ["runs"] });
      onDone();
    },
  });
  return (
    <form
      className={styles.form}
      onSubmit={(event) => {
        event.preventDefault();
        save.mutate();
      }}
    >
      <TextInput size="xs" label="Name" value={name} onChange={(event) => setName(event.currentTarget.value)} />
      <TagsInput size="xs" label="Tags" value={tags} onChange={setTags} comboboxProps={{ withinPortal: true }} />
      <Textarea
        size="xs"
        label="Notes"
        autosize
        minRows={3}
        maxRows={14}
        data-autofocus
        value={notes}
        onChange={(event) => setNotes(event.currentTarget.value)}
      />
      {save.error && (
        <p className={styles.error} role="alert">
          {save.error.message}
        </p>
      )}
      <div className={styles.buttons}>
        <Button type="submit" size="xs" loading={save.isPending}>
          Save
        </Button>
        <Button size="xs" variant="default" onClick={onDone}>
          Leave it
        </Button>
      </div>
    </form>
  );
}
