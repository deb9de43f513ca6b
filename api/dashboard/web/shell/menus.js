// Menus close when one looks elsewhere, or presses Escape, as menus do.

import { useEffect } from "preact/hooks";

export function useMenus() {
	useEffect(() => {
		const closeOthers = ({ target }) => {
			for (const menu of document.querySelectorAll("details.menu[open]")) {
				if (!menu.contains(target)) menu.open = false;
			}
		};
		const closeByKey = ({ key }) => {
			const menu = key === "Escape" && document.activeElement?.closest("details.menu[open]");
			if (!menu) return;
			menu.open = false;
			menu.querySelector("summary").focus();
		};
		addEventListener("click", closeOthers);
		addEventListener("keydown", closeByKey);
		return () => {
			removeEventListener("click", closeOthers);
			removeEventListener("keydown", closeByKey);
		};
	}, []);
}
