/** A cloud of points or a mesh, to be turned. Only those in sight have a canvas: browsers allow few of this kind. */
import { Modal, UnstyledButton, useComputedColorScheme } from "@mantine/core";
import { useIntersection } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { type RefObject, useEffect, useRef, useState } from "react";
import { ask } from "../../../api/client";
import { readColours } from "../../../echarts/colours";
import styles from "./Media.module.css";
import { moveOf } from "./space/shape";
import type { Place, Viewer } from "./space/viewer";
import { type Medium, shownAs, source } from "./values";

interface Props {
  run: string;
  name: string;
  medium: Medium;
}

const KEPT_MS = 60_000; // files are large

export function SpaceView({ run, name, medium }: Props) {
  const [large, setLarge] = useState(false);
  const place = useRef<Place | null>(null);
  const address = source(run, medium);
  const words = medium.caption ?? name;
  if (!address || shownAs(medium) !== "space") return <p className={styles.error}>This object is damaged.</p>;
  const told = { address, format: String(medium.fields.format), words: described(medium, words), place };
  const { labels } = medium.fields;
  return (
    <figure className={styles.figure}>
      <Space {...told} look={styles.space} />
      <figcaption>
        <UnstyledButton className={styles.open} onClick={() => setLarge(true)}>
          Open large
        </UnstyledButton>
        {medium.caption}
        {Array.isArray(labels) && ` (boxes: ${labels.join(", ")})`}
      </figcaption>
      {large && (
        <Modal opened onClose={() => setLarge(false)} size="90vw" title={words} transitionProps={{ duration: 0 }}>
          <Space {...told} look={styles.wholeSpace} />
        </Modal>
      )}
    </figure>
  );
}

function described(medium: Medium, words: string): string {
  const { points, format } = medium.fields;
  const what = typeof points === "number" ? `${points.toLocaleString("en")} points` : `a ${format} file`;
  return `${words}, ${what}: arrow keys turn it, plus and minus bring it nearer and further`;
}

interface SpaceProps {
  address: string;
  format: string;
  words: string;
  place: RefObject<Place | null>;
  look: string | undefined;
}

function Space({ address, format, words, place, look }: SpaceProps) {
  const host = useRef<HTMLDivElement>(null);
  const { ref, entry } = useIntersection({ rootMargin: "50px" });
  const seen = entry?.isIntersecting === true;
  const scheme = useComputedColorScheme("light");
  const [viewer, setViewer] = useState<Viewer | null>(null);
  const [fault, setFault] = useState("");
  const { data, error } = useQuery({
    queryKey: ["bytes", address],
    queryFn: async ({ signal }) => ({ bytes: await (await ask(address, { signal })).arrayBuffer(), format }),
    enabled: seen,
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: KEPT_MS,
    placeholderData: (before) => before,
  });

  useEffect(() => {
    if (!seen) return;
    let made: Viewer | null = null;
    let gone = false;
    const make = async () => {
      const { Viewer } = await import("./space/viewer");
      if (gone || !host.current) return;
      try {
        made = new Viewer(host.current, looks(host.current), place.current);
        setViewer(made);
      } catch {
        setFault("This browser shows no objects in space: it has no WebGL.");
      }
    };
    void make();
    return () => {
      gone = true;
      if (!made) return;
      place.current = made.place;
      made.dispose();
      setViewer(null);
    };
  }, [seen, place]);

  useEffect(() => {
    if (!viewer || !data) return;
    let gone = false;
    const show = async () => {
      try {
        await viewer.show(data.bytes, data.format);
        if (!gone) setFault("");
      } catch {
        if (!gone) setFault(`This ${data.format} file cannot be read.`);
      }
    };
    void show();
    return () => {
      gone = true;
    };
  }, [viewer, data]);

  useEffect(() => {
    // Once the page has its new colours.
    const frame = requestAnimationFrame(() => {
      if (viewer && host.current && scheme) viewer.setLooks(looks(host.current));
    });
    return () => cancelAnimationFrame(frame);
  }, [viewer, scheme]);

  useEffect(() => {
    if (!viewer) return;
    const { canvas } = viewer;
    canvas.tabIndex = 0;
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", words);
    const press = (event: KeyboardEvent) => {
      const move = event.ctrlKey || event.metaKey || event.altKey ? null : moveOf(event.key);
      if (!move) return;
      event.preventDefault();
      event.stopPropagation();
      viewer.move(move);
    };
    canvas.addEventListener("keydown", press);
    return () => canvas.removeEventListener("keydown", press);
  }, [viewer, words]);

  const said = error ? error.message : fault;
  return (
    <div ref={ref}>
      {said && (
        <p className={styles.error}>
          {said}{" "}
          <a href={address} download>
            Save it
          </a>
        </p>
      )}
      <div ref={host} className={look} hidden={said !== ""} />
    </div>
  );
}

function looks(host: Element) {
  const { surface, line } = readColours(host);
  return { page: surface, line };
}
