// A log as it grows: read to its end, and followed for as long as its attempt goes on, through lost connections.

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";

import { text } from "../../state.js";
import { noLines, withPiece } from "./lines.js";

const PAUSE_MS = 1_000;

/** Pieces are put together for so long: then the page is drawn once. */
const TOGETHER_MS = 80;

/** @returns {{so: import("./lines.js").Lines, isFollowing: boolean, error: Error | null}} */
export function useLog(id, attempt) {
	const state = useSignal({ so: noLines(), isFollowing: true, error: null });
	useEffect(() => {
		const ending = new AbortController();
		state.value = { so: noLines(), isFollowing: true, error: null };
		follow(id, attempt, ending.signal, (part) => (state.value = { ...state.value, ...part }));
		return () => ending.abort();
	}, [id, attempt]);
	return state.value;
}

async function follow(id, attempt, signal, tell) {
	let so = noLines();
	let offset = 0;
	let timer = null;
	const draw = () => {
		timer = null;
		if (!signal.aborted) tell({ so, error: null });
	};
	while (!signal.aborted) {
		try {
			const query = [["attempt", attempt], ["offset", offset], ["follow", true]];
			for await (const { piece, bytes } of text(`/job-runs/${id}/logs`, query, signal)) {
				so = withPiece(so, piece);
				offset += bytes;
				timer ??= setTimeout(draw, TOGETHER_MS);
			}
			clearTimeout(timer);
			draw();
			tell({ isFollowing: false });
			return;
		} catch (error) {
			if (signal.aborted) return;
			const isRefused = error.status >= 400 && error.status < 500;
			tell(isRefused ? { error, isFollowing: false } : { error });
			if (isRefused) return;
			await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
		}
	}
}
