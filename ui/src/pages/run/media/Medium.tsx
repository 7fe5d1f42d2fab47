/** One medium, shown as what it is; text of users stays text. */
import { Modal, UnstyledButton } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { lazy, Suspense, useRef, useState } from "react";
import { ask } from "../../../api/client";
import styles from "./Media.module.css";
import { SpaceView } from "./SpaceView";
import { TableView } from "./TableView";
import { type Medium as Found, shownAs, source } from "./values";

// Vega is large, and most runs have no charts of their own.
const Drawing = lazy(async () => ({ default: (await import("../../../panels/Vega")).Drawing }));

interface Props {
  run: string;
  name: string;
  row: number;
  item: number;
  medium: Found;
}

export function Medium({ run, name, row, item, medium }: Props) {
  if (medium.kind === "table") return <TableView run={run} name={name} row={row} item={item} />;
  if (medium.kind === "text") return <LongText run={run} medium={medium} />;
  if (medium.kind === "chart") return <OwnChart run={run} name={name} medium={medium} />;
  if (medium.kind === "object3d") return <SpaceView run={run} name={name} medium={medium} />;
  if (medium.kind === "html") return <Page run={run} name={name} medium={medium} />;
  return <Pixels run={run} name={name} medium={medium} />;
}

export function Pixels({ run, name, medium }: Pick<Props, "run" | "name" | "medium">) {
  const [large, setLarge] = useState(false);
  const address = source(run, medium);
  const as = shownAs(medium);
  const words = medium.caption ?? name;
  if (!address || !as) {
    return (
      <p className={styles.error}>
        {medium.kind} of {String(medium.fields.format ?? "an unknown form")}
        {address && (
          <>
            {": "}
            <a href={address} download>
              save it
            </a>
          </>
        )}
      </p>
    );
  }
  if (as === "film") {
    return (
      <figure className={styles.figure}>
        <video
          className={styles.film}
          src={address}
          controls
          loop
          muted
          playsInline
          preload="metadata"
          aria-label={words}
        />
        {medium.caption && <figcaption>{medium.caption}</figcaption>}
      </figure>
    );
  }
  if (as === "sound") {
    return (
      <figure className={styles.figure}>
        {/* biome-ignore lint/a11y/useMediaCaption: what is heard is not known */}
        <audio className={styles.sound} src={address} controls preload="metadata" aria-label={words} />
        {medium.caption && <figcaption title={medium.caption}>{medium.caption}</figcaption>}
      </figure>
    );
  }
  const { width, height } = medium.fields;
  const size = typeof width === "number" && typeof height === "number" ? { width, height } : {};
  const small = typeof width === "number" && width < 160;
  return (
    <figure className={styles.figure}>
      <UnstyledButton className={styles.zoom} aria-label={`${words}, large`} onClick={() => setLarge(true)}>
        <img className={small ? styles.small : styles.picture} src={address} alt={words} {...size} />
      </UnstyledButton>
      {medium.caption && <figcaption title={medium.caption}>{medium.caption}</figcaption>}
      {large && (
        <Modal opened onClose={() => setLarge(false)} size="auto" title={words} transitionProps={{ duration: 0 }}>
          <img className={styles.large} src={address} alt={words} />
        </Modal>
      )}
    </figure>
  );
}

/** A page of a user, in a frame without an origin: it can do nothing outside itself. */
function Page({ run, name, medium }: Pick<Props, "run" | "name" | "medium">) {
  const [large, setLarge] = useState(false);
  const address = source(run, medium);
  const words = medium.caption ?? name;
  if (!address || shownAs(medium) !== "page") return <p className={styles.error}>This page is damaged.</p>;
  return (
    <figure className={styles.figure}>
      <iframe className={styles.page} src={address} sandbox="allow-scripts" title={words} loading="lazy" />
      <figcaption>
        <UnstyledButton className={styles.open} onClick={() => setLarge(true)}>
          Open large
        </UnstyledButton>
        {medium.caption}
      </figcaption>
      {large && (
        <Modal opened onClose={() => setLarge(false)} size="90vw" title={words} transitionProps={{ duration: 0 }}>
          <iframe className={styles.wholePage} src={address} sandbox="allow-scripts" title={`${words}, large`} />
        </Modal>
      )}
    </figure>
  );
}

const MOST_LETTERS = 200_000;

/** The text of a medium, from the value itself or from the server. */
function useText(run: string, medium: Found) {
  const address = source(run, medium);
  return useQuery({
    queryKey: ["text", address],
    queryFn: async ({ signal }) => (await ask(address ?? "", { signal })).text(),
    enabled: address !== null,
    staleTime: Number.POSITIVE_INFINITY,
  });
}

const NO_TABLES = { runs: [], series: [] };
const CHART_HEIGHT = 300;

function OwnChart({ run, name, medium }: Pick<Props, "run" | "name" | "medium">) {
  const saving = useRef({});
  const { data, error } = useText(run, medium);
  const words = medium.caption ?? name;
  if (error) return <p className={styles.error}>{error.message}</p>;
  return (
    <figure className={styles.figure}>
      <div className={styles.chart} style={{ height: CHART_HEIGHT }}>
        <Suspense>
          {data !== undefined && (
            <Drawing text={data} tables={NO_TABLES} height={CHART_HEIGHT} label={words} saving={saving} />
          )}
        </Suspense>
      </div>
      {medium.caption && <figcaption title={medium.caption}>{medium.caption}</figcaption>}
    </figure>
  );
}

function LongText({ run, medium }: { run: string; medium: Found }) {
  const { data, error } = useText(run, medium);
  const text = typeof medium.fields.text === "string" ? medium.fields.text : data;
  if (error) return <p className={styles.error}>{error.message}</p>;
  return (
    <pre className={styles.text} tabIndex={0}>
      {text?.slice(0, MOST_LETTERS)}
      {text && text.length > MOST_LETTERS && "\n… (cut here)"}
    </pre>
  );
}
