/** What the server tells of artifacts; times are microseconds since 1970. */
import type { Value } from "../../api/types";

export interface Collection {
  project: string;
  name: string;
  type: string;
  versions: number;
  latest: number;
  size: number;
  stored: number;
  changed_us: number;
  aliases: { alias: string; version: number }[];
}

/** A version, as its run tells of it. */
export interface Stored {
  id: string;
  project: string;
  name: string;
  type: string;
  version: number;
  run_id: string;
  created_us: number;
  digest: string;
  size: number;
  stored: number;
  aliases: string[];
  tags: string[];
  description: string | null;
  metadata: Value;
}

/** A version, as its collection tells of it. */
export interface Version extends Stored {
  files: number;
  stage: string | null;
  score: number | null;
  run_name: string | null;
  used_by: number;
  expires_us: number | null;
  leaving: string | null;
}

export interface CollectionPage {
  project: string;
  name: string;
  type: string;
  total: number;
  versions: Version[];
  rule: string | null;
  stages: string[];
  events: { time_us: number; version: number | null; who: string; run_id: string; text: string }[];
}

export interface FileRow {
  path: string;
  size: number;
  digest: string;
  uri: string | null;
}

export interface Working {
  state: "working" | "done" | "failed";
  done: number;
  total: number;
  trouble: string | null;
}

export interface TensorChange {
  name: string;
  change: string;
  kind: string;
  shape: number[];
  share: Value;
  largest: Value;
  relative: Value;
  not_finite: number;
}

export interface FileChange {
  path: string;
  change: "added" | "removed" | "changed";
  size_before: number | null;
  size_after: number | null;
  tensors: TensorChange[] | null;
  tensors_left_out: number;
  same: number;
  values: { name: string; before: Value; after: Value }[];
  unread: string;
}

export interface Diff extends Working {
  files: FileChange[];
  files_left_out: number;
  same: number;
}

export interface GraphNode {
  id: string;
  kind: "run" | "version";
  label: string;
  project: string;
  name: string;
  version: number | null;
  state: string;
  depth: number;
  hidden: number;
}

export interface Graph {
  nodes: GraphNode[];
  links: { source: string; target: string; how: string }[];
}

export interface Plan extends Working {
  rule: string | null;
  plan: {
    leaving: {
      id: string;
      project: string;
      title: string;
      size: number;
      why: string;
      used_by: string[];
      base_of: string[];
    }[];
    dead_bytes: number;
    freed_bytes: number;
    packs: number;
    rewritten: number;
    strangers: number;
  } | null;
}
