/** Dialogs that change what is said of a version: names, words and, in a registry, its stage. */
import { Button, Modal, Select, TagsInput, Textarea, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { send } from "../../api/client";
import styles from "./Artifacts.module.css";
import type { CollectionPage, Version } from "./types";

function useChange(version: Version, onClose: () => void) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: ({ stage, body }: { stage: boolean; body: unknown }) => {
      const path = `/artifacts/${encodeURIComponent(version.id)}`;
      return stage ? send("POST", `${path}/stage`, body) : send("PATCH", path, body);
    },
    onSuccess: async () => {
      await queries.invalidateQueries({ queryKey: ["artifacts"] });
      onClose();
    },
  });
}

export function Edit({ version, onClose }: { version: Version; onClose: () => void }) {
  // "latest" is the store's to give, and a stage has a dialog of its own.
  const fixed = ["latest", ...(version.stage === null ? [] : [version.stage])];
  const [aliases, setAliases] = useState(version.aliases.filter((alias) => !fixed.includes(alias)));
  const [tags, setTags] = useState(version.tags);
  const [description, setDescription] = useState(version.description ?? "");
  const change = useChange(version, onClose);
  return (
    <Modal opened onClose={onClose} title={`${version.name}:v${version.version}`} transitionProps={{ duration: 0 }}>
      <form
        className={styles.form}
        onSubmit={(event) => {
          event.preventDefault();
          change.mutate({ stage: false, body: { aliases, tags, description } });
        }}
      >
        <TagsInput
          label="Aliases"
          description="Names for one version; one that another version has moves here. An alias keeps its version."
          value={aliases}
          onChange={setAliases}
          data-autofocus
        />
        <TagsInput label="Tags" description="Words to find it by" value={tags} onChange={setTags} />
        <Textarea
          label="Description"
          autosize
          minRows={3}
          maxRows={12}
          value={description}
          onChange={(event) => setDescription(event.currentTarget.value)}
        />
        {change.error && (
          <p className={styles.error} role="alert">
            {change.error.message}
          </p>
        )}
        <div className={styles.buttons}>
          <Button variant="default" size="xs" onClick={onClose}>
            Cancel
          </Button>
          <Button type="submit" size="xs" loading={change.isPending}>
            Save
          </Button>
        </div>
      </form>
    </Modal>
  );
}

interface StageProps {
  page: CollectionPage;
  version: Version;
  onClose: () => void;
}

export function Stage({ page, version, onClose }: StageProps) {
  const [stage, setStage] = useState(version.stage);
  const [note, setNote] = useState("");
  const change = useChange(version, onClose);
  const there = page.versions.find((one) => stage !== null && one.stage === stage && one.id !== version.id);
  return (
    <Modal
      opened
      onClose={onClose}
      title={`Stage of ${version.name}:v${version.version}`}
      transitionProps={{ duration: 0 }}
    >
      <form
        className={styles.form}
        onSubmit={(event) => {
          event.preventDefault();
          change.mutate({ stage: true, body: { stage, note } });
        }}
      >
        <Select
          label="Stage"
          placeholder="in no stage"
          clearable
          data={page.stages}
          value={stage}
          onChange={setStage}
          data-autofocus
        />
        <TextInput
          label="Why"
          description="Kept in the registry's history, with who did it"
          value={note}
          onChange={(event) => setNote(event.currentTarget.value)}
        />
        {there && (
          <p className={styles.warn}>
            v{there.version} is in {stage} now, and leaves it.
          </p>
        )}
        {change.error && (
          <p className={styles.error} role="alert">
            {change.error.message}
          </p>
        )}
        <div className={styles.buttons}>
          <Button variant="default" size="xs" onClick={onClose}>
            Cancel
          </Button>
          <Button type="submit" size="xs" loading={change.isPending} disabled={stage === version.stage}>
            {stage === null ? "Take it out" : "Move it"}
          </Button>
        </div>
      </form>
    </Modal>
  );
}
