// When a schedule launches, as a person would say it; what has no short sentence is shown as it is written. Pure.

import { duration } from "../state/times.js";
import { texts } from "../texts.js";

const DAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/** @param {{cron: string | null, everyMs: number | null, timeZone: string}} schedule @returns {string} */
export function inWords({ cron, everyMs, timeZone }) {
	const words = texts.schedules;
	if (everyMs) return words.every(duration(everyMs));
	const zone = timeZone === "UTC" ? "" : ` ${words.zone(timeZone)}`;
	const text = cron ?? "";
	return (cronInWords(text) ?? text) + zone;
}

/** @param {string} cron @returns {string | null} null where there is no short sentence */
function cronInWords(cron) {
	const parts = cron.trim().split(/\s+/);
	if (parts.length !== 5) return null;
	const [minute, hour, day, month, weekday] = parts;
	const words = texts.schedules;
	const isEveryDay = day === "*" && month === "*";
	const step = /^\*\/(\d+)$/.exec(minute);
	const isEven = step && 60 % Number(step[1]) === 0; // Else the last wait of an hour is another one.
	if (isEven && hour === "*" && isEveryDay && weekday === "*") return words.every(`${step[1]} min`);
	if (cron === "* * * * *") return words.every("1 min");
	if (!/^\d+$/.test(minute) || !isEveryDay) return null;
	if (hour === "*" && weekday === "*")
		return `${words.every("1 h")}, ${words.at(`:${minute.padStart(2, "0")}`)}`;
	if (!/^\d+$/.test(hour)) return null;
	const at = words.at(`${hour.padStart(2, "0")}:${minute.padStart(2, "0")}`);
	if (weekday === "*") return `${words.daily} ${at}`;
	if (weekday === "1-5") return `${words.weekdays} ${at}`;
	return /^[0-7]$/.test(weekday) ? `${words.every(DAYS[Number(weekday)])} ${at}` : null;
}
