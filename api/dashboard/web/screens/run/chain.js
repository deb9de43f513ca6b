// What led to the run, and what it led to: a tree of subjects, from the events that share their origin. Pure.

/**
 * @typedef {{type: string, id: string, app?: string, at: string, last: string, cause: string, children: Subject[]}} Subject
 *   `app` is the one that it is of; `last` what happened to it last; `cause` the event of its parent that it follows from
 */

/**
 * @param {object[]} events with the same correlation, in order
 * @returns {Subject[]} those that nothing known caused; each with what it caused
 */
export function chainOf(events) {
	const subjects = new Map();
	const subjectOf = new Map(); // by event id
	const roots = [];
	for (const { eventId, type, subject, occurredAt, causationId, data } of events) {
		const known = subjects.get(subject.id);
		if (known) {
			known.last = verbOf(type);
		} else {
			const parent = subjectOf.get(causationId);
			const cause = parent?.type ?? "";
			const fresh = { ...subject, app: data?.repository_id, at: occurredAt, last: verbOf(type), cause, children: [] };
			subjects.set(subject.id, fresh);
			const siblings = parent ? subjects.get(parent.id).children : roots;
			siblings.push(fresh);
		}
		subjectOf.set(eventId, { id: subject.id, type: verbOf(type) });
	}
	return roots;
}

const verbOf = (type) => type.split(".").at(-1).replaceAll("_", " ");
