// A table that becomes a list of cards where there is no room, and says what it is either way.

import { html } from "./html.js";

/**
 * @param {{label: string, rows: any[], keyOf: (row: any) => string,
 *   columns: {title: string, cell: (row: any) => any, name: string, isTitleHidden?: boolean}[],
 *   rowClass?: (row: any) => string}} what
 */
export function Table({ label, rows, keyOf, columns, rowClass = () => "" }) {
	return html`<table role="table" class="table" aria-label=${label}>
		<thead role="rowgroup">
			<tr role="row">
				${columns.map(({ name, title, isTitleHidden }) => html`
					<th role="columnheader" scope="col" key=${name} class="cell-${name}">
						${isTitleHidden ? html`<span class="unseen">${title}</span>` : title}
					</th>
				`)}
			</tr>
		</thead>
		<tbody role="rowgroup">
			${rows.map((row) => html`<tr role="row" key=${keyOf(row)} class=${rowClass(row)}>
				${columns.map(({ name, title, cell }) => html`
					<td role="cell" key=${name} class="cell-${name}" data-title=${title}><div>${cell(row)}</div></td>
				`)}
			</tr>`)}
		</tbody>
	</table>`;
}
