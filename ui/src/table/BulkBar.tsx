/** What can be done with the runs that are selected. */
import { Button, Modal, TagsInput, Textarea, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { send } from "../api/client";
import type { RunRow } from "../api/types";
import { Icon } from "../shell/Icons";
import { segment } from "../shell/links";
import styles from "./BulkBar.module.css";

interface Props {
  runs: readonly RunRow[];
  onDone: () => void;
  onOnly: () => void;
  project: string;
}

/** What somebody changes of runs. */
export type Task = "tags" | "edit" | "group" | "delete";

export function BulkBar({ runs, onDone, onOnly, project }: Props) {
  const [dialog, setDialog] = useState<Task | null>(null);
  if (!runs.length) return null;
  const close = () => setDialog(null);
  return (
    <div className={styles.bar} role="toolbar" aria-label="Selected runs">
      <span className={styles.count}>{runs.length} selected</span>
      <Button size="compact-xs" variant="default" onClick={onOnly}>
        Draw only these
      </Button>
      <Compare runs={runs} project={project} />
      <Button
        size="compact-xs"
        variant="default"
        leftSection={<Icon name="tag" size={12} />}
        onClick={() => setDialog("tags")}
      >
        Tag
      </Button>
      <Button
        size="compact-xs"
        variant="default"
        leftSection={<Icon name="edit" size={12} />}
        onClick={() => setDialog("edit")}
      >
        Name, notes
      </Button>
      <Button
        size="compact-xs"
        variant="default"
        leftSection={<Icon name="group" size={12} />}
        onClick={() => setDialog("group")}
      >
        Group
      </Button>
      <Button
        size="compact-xs"
        variant="default"
        color="red"
        leftSection={<Icon name="trash" size={12} />}
        onClick={() => setDialog("delete")}
      >
        Delete
      </Button>
      <Button size="compact-xs" variant="subtle" onClick={onDone}>
        Clear
      </Button>
      {dialog && <Change key={dialog} dialog={dialog} runs={runs} project={project} onClose={close} onDone={onDone} />}
    </div>
  );
}

/** As many as can be told apart side by side. */
const MOST_COMPARED = 20;

function Compare({ runs, project }: Pick<Props, "runs" | "project">) {
  if (runs.length < 2 || runs.length > MOST_COMPARED) return null;
  return (
    <Button
      size="compact-xs"
      variant="default"
      leftSection={<Icon name="compare" size={12} />}
      component={Link}
      to="/$project/compare"
      params={{ project: segment(project) } as never}
      search={{ runs: runs.map((run) => run.id).join(",") } as never}
    >
      Compare
    </Button>
  );
}

interface ChangeProps extends Pick<Props, "runs" | "project" | "onDone"> {
  dialog: Task;
  onClose: () => void;
}

const TITLES: Record<Task, string> = { tags: "Tags", edit: "Name and notes", group: "Group", delete: "Delete" };

export function Change({ dialog, runs, project, onClose, onDone }: ChangeProps) {
  const [first] = runs;
  const shared = runs.map((run) => run.tags).reduce((all, tags) => all.filter((tag) => tags.includes(tag)));
  const [tags, setTags] = useState<string[]>(shared);
  const same = <T,>(of: (run: RunRow) => T): T | undefined =>
    first && runs.every((run) => of(run) === of(first)) ? of(first) : undefined;
  const [name, setName] = useState(runs.length === 1 ? (first?.name ?? "") : "{name}");
  const [notes, setNotes] = useState(same((run) => run.notes) ?? "");
  const [group, setGroup] = useState(same((run) => run.group) ?? "");
  const [asNoted] = useState(notes);
  const queries = useQueryClient();
  const change = useMutation({
    mutationFn: async () => {
      const given = { tags, shared, name, group, notes: notes === asNoted ? undefined : notes };
      for (const [i, run] of runs.entries()) await apply(dialog, run, i + 1, given);
    },
    onSuccess: async () => {
      onClose();
      if (dialog === "delete") onDone();
    },
    onSettled: async () => {
      for (const kind of ["runs", "groups", "columns"]) await queries.invalidateQueries({ queryKey: [kind, project] });
    },
  });
  const many = runs.length === 1 ? `the run ${first?.name}` : `${runs.length} runs`;
  return (
    <Modal opened onClose={onClose} title={TITLES[dialog]} size="sm">
      <form
        className={styles.form}
        onSubmit={(event) => {
          event.preventDefault();
          change.mutate();
        }}
      >
        {dialog === "tags" && (
          <TagsInput data-autofocus label={`Tags of ${many}`} value={tags} onChange={setTags} maxTags={100} />
        )}
        {dialog === "edit" && (
          <>
            <TextInput
              data-autofocus
              label="Name"
              {...(runs.length > 1 ? { description: "{name} is the name as it is, {n} counts from 1" } : {})}
              value={name}
              onChange={(event) => setName(event.currentTarget.value)}
            />
            <Textarea
              label={runs.length > 1 ? "Notes of all, if changed here" : "Notes"}
              rows={5}
              value={notes}
              onChange={(event) => setNotes(event.currentTarget.value)}
            />
          </>
        )}
        {dialog === "group" && (
          <TextInput
            data-autofocus
            label={`Group of ${many}`}
            description="Runs that belong together, such as seeds of one trial; empty for none"
            value={group}
            onChange={(event) => setGroup(event.currentTarget.value)}
          />
        )}
        {dialog === "delete" && (
          <p className={styles.warning}>Delete {many} with everything logged? This cannot be undone.</p>
        )}
        {change.error && (
          <p role="alert" className={styles.error}>
            {change.error.message}
          </p>
        )}
        <div className={styles.buttons}>
          <Button variant="default" size="xs" onClick={onClose}>
            Cancel
          </Button>
          <Button type="submit" size="xs" loading={change.isPending} {...(dialog === "delete" ? { color: "red" } : {})}>
            {dialog === "delete" ? "Delete" : "Save"}
          </Button>
        </div>
      </form>
    </Modal>
  );
}

interface Given {
  tags: string[];
  shared: string[];
  name: string;
  notes: string | undefined;
  group: string;
}

async function apply(dialog: Task, run: RunRow, number: number, given: Given): Promise<void> {
  const { tags, shared, name, notes, group } = given;
  const path = `/runs/${encodeURIComponent(run.id)}`;
  if (dialog === "delete") return send("DELETE", path);
  if (dialog === "group") return send("PATCH", path, { group });
  if (dialog === "edit") {
    const said = name.replaceAll("{name}", run.name).replaceAll("{n}", String(number));
    return send("PATCH", path, { notes, ...(said === run.name ? {} : { name: said }) });
  }
  // What all had and was taken away goes; what only some have stays with them.
  const kept = run.tags.filter((tag) => !shared.includes(tag) || tags.includes(tag));
  return send("PATCH", path, { tags: [...new Set([...kept, ...tags])] });
}
