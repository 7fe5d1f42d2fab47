/** Saving, naming and deleting a view, and what to do when somebody else was quicker. */
import { Button, Checkbox, Modal, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { ApiError, get, send } from "../../../api/client";
import type { SavedView } from "../../../api/types";
import { freeName } from "./settings";
import type { Views } from "./useViews";
import styles from "./Views.module.css";

export type Task = "new" | "save" | "rename" | "duplicate" | "default" | "delete";

interface Props {
  task: Task;
  project: string;
  views: Views;
  onTask: (task: Task | null) => void;
}

const TITLES: Record<Task, string> = {
  new: "Save as a new view",
  save: "Save the view",
  rename: "Rename the view",
  duplicate: "Duplicate the view",
  default: "Default view",
  delete: "Delete the view",
};
/** Done at once; there is something to be seen only when it fails. */
const AT_ONCE = new Set<Task>(["save", "default"]);

export function ViewDialog(props: Props) {
  const { task, views, onTask } = props;
  const { now, all } = views;
  const names = all.map((view) => view.name);
  const [name, setName] = useState(() => firstName(task, now?.name ?? "", names));
  const [isDefault, setDefault] = useState(false);
  const change = useChange(props);
  const { mutate } = change;
  const begun = useRef(false);
  useEffect(() => {
    if (!AT_ONCE.has(task) || begun.current) return;
    begun.current = true;
    mutate({ name, isDefault });
  }, [task, mutate, name, isDefault]);
  const close = () => onTask(null);
  const isLate = change.error instanceof ApiError && change.error.status === 412;
  if (AT_ONCE.has(task) && !change.error) return null;
  return (
    <Modal opened onClose={close} title={TITLES[task]} size="sm">
      <form
        className={styles.form}
        onSubmit={(event) => {
          event.preventDefault();
          mutate({ name, isDefault });
        }}
      >
        {["new", "rename", "duplicate"].includes(task) && (
          <TextInput
            data-autofocus
            label="Name"
            maxLength={120}
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
          />
        )}
        {["new", "duplicate"].includes(task) && (
          <Checkbox
            size="xs"
            label="The project opens with it, for everybody"
            checked={isDefault}
            onChange={() => setDefault(!isDefault)}
          />
        )}
        {task === "new" && (
          <p className={styles.text}>
            It keeps the filter, columns, sorting, groups and settings of charts as they are now. Everybody who sees the
            project sees it.
          </p>
        )}
        {task === "delete" && (
          <p className={styles.text}>Delete the view {now?.name} for everybody? The runs that it shows stay.</p>
        )}
        {change.error && (
          <p role="alert" className={styles.error}>
            {change.error.message}
          </p>
        )}
        <div className={styles.buttons}>
          <Button variant="default" size="xs" onClick={close}>
            Cancel
          </Button>
          {isLate ? (
            <Late {...props} onForce={() => mutate({ name, isDefault, isForced: true })} />
          ) : (
            <Button
              type="submit"
              size="xs"
              loading={change.isPending}
              disabled={!name.trim()}
              {...(task === "delete" ? { color: "red" } : {})}
            >
              {task === "delete" ? "Delete" : "Save"}
            </Button>
          )}
        </div>
      </form>
    </Modal>
  );
}

function firstName(task: Task, now: string, taken: readonly string[]): string {
  if (task === "new") return "";
  return task === "duplicate" ? freeName(`${now} copy`, taken) : now;
}

/** Somebody else has changed the view meanwhile. */
function Late({ task, project, views, onTask, onForce }: Props & { onForce: () => void }) {
  const queries = useQueryClient();
  const theirs = async () => {
    const all = await queries.fetchQuery({
      queryKey: ["views", project],
      queryFn: () => get<SavedView[]>("/views", { project }),
      staleTime: 0,
    });
    const found = all.find((view) => view.id === views.now?.id);
    onTask(null);
    if (found) views.open(found);
  };
  return (
    <>
      <Button size="xs" variant="default" onClick={() => void theirs()}>
        Open theirs
      </Button>
      {task === "save" && (
        <Button size="xs" variant="default" onClick={() => onTask("new")}>
          Save as new
        </Button>
      )}
      <Button size="xs" color="red" onClick={onForce}>
        Overwrite
      </Button>
    </>
  );
}

interface Given {
  name: string;
  isDefault: boolean;
  isForced?: boolean;
}

function useChange({ task, project, views, onTask }: Props) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: async ({ name, isDefault, isForced }: Given): Promise<SavedView | null> => {
      const { now, settings, seen } = views;
      if (task === "new" || task === "duplicate" || !now) {
        const search = task === "duplicate" && now ? now.search : settings;
        return send("POST", "/views", { project, name, search, is_default: isDefault });
      }
      const path = `/views/${encodeURIComponent(now.id)}`;
      if (task === "delete") return send("DELETE", path);
      const revision = isForced ? await newest(project, now.id) : seen;
      const body = { save: { search: settings }, rename: { name }, default: { is_default: !now.is_default } }[task];
      return send("PATCH", path, body, { "if-match": `"${revision}"` });
    },
    onSuccess: async (view) => {
      await queries.invalidateQueries({ queryKey: ["views", project] });
      onTask(null);
      if (!view) views.open(null);
      else if (task === "duplicate") views.open(view);
      else views.saved(view);
    },
  });
}

async function newest(project: string, id: string): Promise<number> {
  const all = await get<SavedView[]>("/views", { project });
  return all.find((view) => view.id === id)?.revision ?? 0;
}
