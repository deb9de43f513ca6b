// licences.txt names what is in it.
import{$ as I,A as pn,Aa as Tt,B as fn,Ba as On,C as B,Ca as An,D as U,Da as jn,E as _e,Ea as ze,F as Re,Fa as _t,G as ve,Ga as Mn,H as mn,Ha as En,I as ke,Ia as Tn,J as c,Ja as _n,K as o,Ka as Rn,L as H,La as Cn,M as K,Ma as Nn,N as W,Na as In,O as D,Oa as Ln,P as hn,Pa as Dn,Q as $e,Qa as Pn,R as vn,Ra as Ze,S as bn,T as Be,U as ie,V as Ue,W as gn,X as wn,Y,Z as We,_ as S,a as F,aa as z,b as me,ba as de,c as E,ca as Je,d as te,da as Ve,e as Fe,ea as be,f as h,fa as L,g as cn,ga as yn,h as G,ha as O,i as un,ia as Ce,j as y,ja as j,k as ue,ka as Z,l as ne,la as k,m as ae,ma as Mt,n as N,na as kn,o as he,oa as xe,p as se,pa as xn,q as ye,qa as w,r as jt,ra as Ge,s as C,sa as Sn,t as Q,ta as X,u as $n,ua as P,v as T,va as Se,w as _,wa as M,x as R,xa as Ke,y as Te,ya as Ye,z as dn,za as Et}from"./dashboard.js";var Hn=50;function or(){let{id:e}=T.value,t=w(async n=>{let[s,r,a]=await Promise.all([y(`/apps/${e}`,[],n),y(`/apps/${e}/builds`,[["limit",Hn]],n),y(`/apps/${e}/history`,[["limit",Hn]],n)]),i=r.meta.hasMore||a.meta.hasMore;return{app:s.data,builds:r.data,history:a.data,isCut:i}},[e]);return P("apps",t.again,n=>n.has(e)),o`<${O} asked=${t} lines=${8} list="apps">
		${n=>o`<${ar} ...${n} again=${t.again} />`}
	<//>`}function ar({app:e,builds:t,history:n,isCut:s,again:r}){let a=X(t,"builds",({id:l})=>l),i=c.apps;return o`<div class="screen-head">
			<div><h1>${e.name}</h1><p class="quiet"><code>${e.repoUrl}</code></p></div>
			${M.value&&o`<div class="actions">
				<button onClick=${()=>D(()=>N(`/apps/${e.id}/retry`).then(r))}>${i.retry}</button>
				<button class="main" onClick=${()=>D(()=>N(`/apps/${e.id}/builds`).then(r))}>
					${i.build}
				</button>
			</div>`}
		</div>
		<p>${e.description}</p>
		<p class="tags">
			<${j} status=${e.ingestStatus} />
			${e.tags.map(({key:l,value:$})=>o`<span class="tag" key=${l+$}>${l}:${$}</span>`)}
		</p>
		${e.ingestError&&o`<p class="error-message" tabindex="0"><code>${e.ingestError}</code></p>`}
		${s&&o`<p class="note">${c.apps.cut}</p>`}
		<${lr} tiles=${e.previewTiles} />
		<section class="stack">
			<h2>${i.builds}</h2>
			${a.length===0?o`<p class="quiet">${i.noBuilds}</p>`:a.map(l=>o`
				<${cr} key=${l.id} build=${l} again=${r} />
			`)}
		</section>
		<section class="card stack">
			<h2>${i.history}</h2>
			<ol class="needs">
				${n.map(l=>o`<li key=${l.id}>
					<${j} status=${l.status} /> ${l.message}
					<small><${k} at=${l.createdAt} /></small> <${I} id=${l.jobRunId} />
				</li>`)}
			</ol>
		</section>`}var Rt=({src:e,posterUrl:t,embedUrl:n})=>e??t??n??"";function ir({tile:e}){let t=Rt(e),n=e.title??t;return/^https?:/.test(t)?o`<a href=${t} rel="noreferrer">${n}</a>`:n}function lr({tiles:e}){return e.length===0?null:o`<section class="stack">
		<h2>${c.apps.previews}</h2>
		<ul class="cards">
			${e.map(t=>o`<li class="card stack" key=${t.id}>
				${Rt(t).startsWith("data:image/")?o`
					<img class="preview" src=${Rt(t)} alt=${t.title?"":c.apps.preview} />
					${t.title&&o`<small>${t.title}</small>`}
				`:o`<${ir} tile=${t} />`}
			</li>`)}
		</ul>
	</section>`}function cr({build:e,again:t}){let{id:n,status:s,imageTag:r,errorMessage:a,commitSha:i,createdAt:l,startedAt:$,completedAt:u,durationMs:d,hasLogs:p,jobRunId:m}=e,v=h(!1),f=({target:b})=>v.value=b.open,x=c.apps;return o`<article class="card stack">
		<div class="screen-head">
			<h3><span class="id">${de(n)}</span></h3>
			<${j} status=${s} />
			<small><${k} at=${l} /> · <${xe} from=${$} to=${u} ms=${d} /></small>
			${m&&o`<${I} id=${m} />`}
			${s==="failed"&&M.value&&o`
				<div class="actions"><button onClick=${()=>D(()=>N(`/builds/${n}/retry`).then(t))}>${x.rebuild}</button></div>
			`}
		</div>
		<p>
			${r&&o`<code>${r}</code>`}${" "}
			${i&&o`<small class="id">${i.slice(0,12)}</small>`}
		</p>
		${a&&o`<p class="problem">${a}</p>`}
		${p&&o`<details onToggle=${f}>
			<summary>${x.log}</summary>
			${v.value&&o`<${ur} id=${n} status=${s} />`}
		</details>`}
	</article>`}function ur({id:e,status:t}){let n=w(s=>y(`/builds/${e}/logs`,[],s),[e],{newer:[t],everyMs:t==="running"?2e3:void 0});return o`<${O} asked=${n}>
		${({data:s})=>o`<pre class="log-lines" tabindex="0" aria-label=${c.apps.log}>${s.logs}</pre>`}
	<//>`}var $r=48;function dr(){let e=Object.fromEntries(T.value.words),t=a=>async i=>{let{data:l,meta:$,total:u}=await y("/apps",[["q",e.q],["status",e.status],["limit",$r],["offset",a]],i);return{rows:l,total:u??l.length,next:$.nextOffset}},n=w(t(0),[e.q,e.status]),s=h(e.q??""),r=a=>{a.preventDefault(),U({words:s.value?[["q",s.value]]:[]})};return o`<div class="screen-head">
			<h1>${c.apps.title} ${n.answer&&o`<span class="count">${ke(n.answer.total)}</span>`}</h1>
			<form class="group" role="search" onSubmit=${r}>
				<input
					type="search" data-filter aria-label=${c.apps.search} placeholder=${c.apps.search}
					value=${s.value} onInput=${H(s)} />
			</form>
		</div>
		<${O} asked=${n}>
			${({rows:a})=>o`
				<${pr} found=${a} isAll=${!e.q&&!e.status} />
				<${$e} asked=${n} load=${i=>t(i)()} />
			`}
		<//>`}function pr({found:e,isAll:t}){let n=X(e,"apps",({id:s})=>s);return n.length===0&&!t?o`<${L} title=${c.apps.noMatch} hint=${c.apps.noMatchHint} />`:n.length===0?o`<${L} title=${c.apps.empty} hint=${c.apps.emptyHint} command=${c.apps.emptyCommand} />`:o`<ul class="cards">${n.map(s=>o`<${fr} key=${s.id} app=${s} />`)}</ul>`}function fr({app:e}){return o`<li class="card stack">
		<div class="screen-head">
			<h2><${S} to=${{view:"app",id:e.id}}>${e.name}<//></h2>
			<${j} status=${e.ingestStatus} />
		</div>
		<p class="two-lines">${e.description}</p>
		${e.ingestError&&o`<p class="problem two-lines">${e.ingestError}</p>`}
		<p class="tags">
			${e.tags.map(({key:t,value:n})=>o`<span class="tag" key=${t+n}>${t}:${n}</span>`)}
		</p>
		<p class="quiet">
			${e.latestBuild&&o`
				<${j} status=${e.latestBuild.status} label=${c.apps.buildIs(e.latestBuild.status)} />
			`}${" "}
			<${k} at=${e.updatedAt} />
		</p>
	</li>`}function le({runs:e,selected:t,sort:n="",isBrief:s=!1,isOfOneJob:r=!1}){let a=c.runs.columns,i=[{name:"first",title:a.run,cell:l=>o`<${I} id=${l.id} />`},{name:"job",title:a.job,cell:l=>o`<${z} slug=${l.slug} />`},{name:"status",title:a.status,cell:l=>o`<${hr} run=${l} />`},{name:"took",title:a.took,cell:l=>o`<${xe} from=${l.startedAt} to=${l.completedAt} ms=${l.durationMs} />`},n==="ended"?{name:"created",title:a.ended,cell:l=>o`<${k} at=${l.completedAt} />`}:{name:"created",title:a.created,cell:l=>o`<${k} at=${l.createdAt} />`}];return s||i.push({name:"why",title:a.details,cell:l=>o`<${vr} run=${l} />`}),r&&i.splice(1,1),t&&i.unshift(br(e,t)),o`<${Z} label=${c.runs.title} rows=${e} keyOf=${mr} columns=${i}
		rowClass=${({id:l})=>t?.value.has(l)?"is-selected":""} />`}var mr=({id:e})=>e;function hr({run:e}){let t=e.attempt>1;return o`<${j} status=${e.status} />${" "}
		${t&&o`<small>${c.runs.attemptOf(e.attempt,e.maxAttempts)}</small>`}`}function vr({run:e}){if(e.errorMessage)return o`<span class="one-line">${e.errorMessage}</span>`;if(e.status==="pending")return o`<small>${c.runs.dueAt} <${k} at=${e.scheduledAt} /></small>`;let t=Object.entries(e.parameters??{});return o`<span class="one-line quiet">
		${t.map(([n,s])=>`${n}=${JSON.stringify(s)}`).join(" ")}</span>
	`}function br(e,t){let n=a=>{let i=new Set(t.value);i.delete(a)||i.add(a),t.value=i},s=e.length>0&&e.every(({id:a})=>t.value.has(a)),r=()=>t.value=s?new Set:new Set(e.map(({id:a})=>a));return{name:"select",title:o`<input type="checkbox" aria-label=${c.runs.selectAll} checked=${s} onChange=${r} />`,cell:({id:a})=>o`<input type="checkbox" aria-label=${c.runs.select(de(a))} checked=${t.value.has(a)}
				onChange=${()=>n(a)} />`}}function gr(){let{id:e}=T.value,t=w(async n=>{if(!e)return qn(null,n);let{data:s}=await y(`/bulk/${e}`,R.value,n);return{rows:[s],next:null}},[e]);return o`<h1>${c.views.bulk}</h1>
		<${O} asked=${t} list=${e&&"bulk"}>
			${({rows:n})=>o`
				<${wr} operations=${n} />
				<${$e} asked=${t} load=${qn} text=${c.older} />
			`}
		<//>`}var qn=(e,t)=>ue("/bulk",R.value,e,t);function wr({operations:e}){let t=X(e,"bulk",({id:n})=>n);return t.length===0?o`<${L} title=${c.bulk.empty} hint=${c.bulk.emptyHint} />`:o`<ul class="stack">
		${t.map(n=>o`<${yr} key=${n.id} operation=${n} />`)}
	</ul>`}function yr({operation:e}){let{id:t,action:n,filter:s,status:r,total:a,done:i,refused:l,reason:$,requestedBy:u,createdAt:d,refusals:p}=e,m=c.bulk,v={title:m.abort,text:m.abortHint,action:m.abort},f=()=>Ue(v,`/bulk/${t}/abort`,m.abort);return o`<li class="card stack">
		<div class="screen-head">
			<h2>${c.bulk.title(n)}</h2>
			<span class="id">${de(t)}</span> <${j} status=${r} />
			${r==="running"&&M.value&&o`
				<div class="actions"><button class="danger" onClick=${f}>${c.bulk.abort} …</button></div>
			`}
		</div>
		<p class="command"><code>${s.join("  ")}</code></p>
		<progress max=${Math.max(a,1)} value=${a===0?1:i+l}
			aria-label=${c.bulk.running(e)}>
		</progress>
		<p>${c.bulk.running(e)}</p>
		<p class="quiet"><bdi>${$}</bdi> · <bdi>${u}</bdi> · <${k} at=${d} /></p>
		${n!=="cancel"&&!_.value&&o`<${Sr} operation=${e} isOpen=${T.value.id===t} />`}
		${p.length>0&&o`<ul class="refused">
			${p.slice(0,10).map(({run:x,why:b})=>o`<li key=${x}>${c.bulk.one(x,b)}</li>`)}
		</ul>`}
	</li>`}var kr=10,xr=3e3;function Sr({operation:e,isOpen:t}){let n=h(t);return o`<details open=${t} onToggle=${({target:r})=>n.value=r.open}>
		<summary>${c.bulk.launched}</summary>
		${n.value&&o`<${Or} operation=${e} />`}
	</details>`}function Or({operation:{id:e,done:t}}){let n=w(r=>y(`/bulk/${e}/runs`,[["limit",kr]],r),[e],{newer:[t],everyMs:xr});return o`<${O} asked=${n} lines=${3}>${({data:r,meta:a})=>o`<div class="stack">
		${r.length===0&&o`<p class="quiet">${c.bulk.none}</p>`}
		<p>
			${Object.entries(a.counts??{}).filter(([,i])=>i>0).map(([i,l])=>o`
				<span class="tag" key=${i}>${c.bulk.went(l,i)}</span>${" "}
			`)}
		</p>
		${a.hasMore&&o`<p class="quiet">${c.bulk.newest(r.length)}</p>`}
		${r.length>0&&o`<${le} runs=${r} />`}
	</div>`}<//>`}function Xe({action:e,words:t,onClose:n}){let s={action:e,filter:On(t)},r=w(()=>N("/bulk",{...s,dryRun:!0}),[]);return o`<${Be} title=${c.bulk.title(e)} onClose=${n} className="wide">
		<p class="command"><code>${s.filter.join("  ")}</code></p>
		<${O} asked=${r}>
			${({data:a})=>o`
				<${jr} preview=${a} /><${Mr} order=${s} count=${a.count} onClose=${n} />
			`}
		<//>
	<//>`}var Ar=5;function jr({preview:e}){let{count:t,position:n,sample:s,refused:r}=e;return o`<div class="stack">
		<p>
			<strong>${c.bulk.preview(t)}</strong>,${" "}
			<span class="quiet">${c.bulk.asOfPosition(n)}</span>
		</p>
		${r.length>0&&o`<div>
			<p>${c.bulk.refused(r.length)}</p>
			<ul class="refused">
				${r.slice(0,5).map(({run:a,why:i})=>o`<li key=${a}>${c.bulk.one(a,i)}</li>`)}
			</ul>
		</div>`}
		${s.length>0&&o`<div><h3>${c.bulk.sample}</h3><${le} runs=${s.slice(0,Ar)} isBrief /></div>`}
	</div>`}function Mr({order:e,count:t,onClose:n}){let s=h(""),r=h(""),a=h(""),i=h(""),l=E(se()),$=t>0&&s.value.trim()!==""&&(!gn||a.value===mn.name);return o`<form class="stack" onSubmit=${async d=>{d.preventDefault();try{let p=r.value.trim()&&JSON.parse(r.value),m={...e,reason:s.value,...p&&{patch:{parameters:p}}},{data:v}=await N("/bulk",m,{"Idempotency-Key":l.current});W(c.bulk.title(e.action)),n(),B({view:"bulk",id:v.id})}catch(p){i.value=p instanceof SyntaxError?c.jobs.badJson:G(p).message}}}>
		<label>${c.reason}<input required maxlength="1000" value=${s.value} onInput=${H(s)} /></label>
		${e.action==="rerun"&&o`
			<label>${c.bulk.patch}<textarea rows="3" placeholder="{}" value=${r.value} onInput=${H(r)}></textarea></label>
		`}
		<${wn} name=${a} />
		${i.value&&o`<p class="problem" role="alert">${i.value}</p>`}
		<div class="actions">
			<button type="button" onClick=${n}>${c.leaveIt}</button>
			<button class="danger" disabled=${!$}>${c.bulk.go(c.bulk.actions[e.action],t)}</button>
		</div>
	</form>`}var Fn=/[\x00-\x08\x0b-\x1f\x7f-\x9f]/,Er=new RegExp([/\x1b\[([0-?]*)[ -/]*([@-~])/,/\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?/,/\x1b[PX^_][^\x1b]*(?:\x1b\\)?/,/\x1b[ -/]*[0-~]/,/[\x00-\x08\x0b-\x1f\x7f-\x9f]/,/[^\x00-\x08\x0b-\x1f\x7f-\x9f]+/].map(({source:e})=>e).join("|"),"g"),et={foreground:null,background:null,is:new Set,classes:""},Tr=[];function Wn(e,t){if(t===et&&!Fn.test(e)&&!e.includes("	"))return{text:e.length>1e4?e.slice(0,1e4):e,spans:Tr,style:t};let n=new Nt(t);for(let[s,r,a]of e.matchAll(Er))a?n.control(a,r):s==="\r"?n.column=0:s==="\b"?n.column=Math.max(n.column-1,0):Fn.test(s)||n.write(s);return{text:n.characters.join(""),spans:n.spans(),style:n.style}}var Nt=class{constructor(t){this.style=t,this.column=0,this.characters=[],this.classes=[]}write(t){for(let n of t)if(n==="	")do this.#e(" ");while(this.column%8!==0&&this.column<1e4);else this.#e(n)}#e(t){if(!(this.column>=1e4)){for(;this.characters.length<this.column;)this.characters.push(" "),this.classes.push("");this.characters[this.column]=t,this.classes[this.column]=this.style.classes,this.column+=1}}control(t,n){let s=Number.parseInt(n,10)||0;t==="m"&&!_r.test(n)?this.style=Rr(this.style,n):t==="K"?this.#t(s):t==="C"?this.column=Math.min(this.column+(s||1),1e4):t==="D"?this.column=Math.max(this.column-(s||1),0):t==="G"&&(this.column=Math.min((s||1)-1,1e4))}#t(t){let n=t===0?this.column:0;if(t===1){let s=Math.min(this.column+1,this.characters.length);this.characters.fill(" ",0,s),this.classes.fill("",0,s)}else this.characters.length=Math.min(n,this.characters.length),this.classes.length=this.characters.length}spans(){let t=[],n=0;for(let[s,r]of this.characters.entries()){let a=this.classes[s],i=t.at(-1),l=n+r.length;a&&i?.to===n&&i.classes===a?i.to=l:a&&t.length<500&&t.push({from:n,to:l,classes:a}),n=l}return t}},_r=/[<=>?]/,Bn={1:"bold",2:"dim",3:"italic",4:"underline",7:"inverse",9:"strike"},Un={21:["bold"],22:["bold","dim"],23:["italic"],24:["underline"],27:["inverse"],29:["strike"]};function Rr(e,t){let{foreground:n,background:s}=e,r=new Set(e.is),a=t.split(";");for(let i=a.shift();i!==void 0;i=a.shift()){let[l,...$]=i.split(":").map(Number);if(l===0)n=s=null,r=new Set;else if(l===38||l===48){let u=$.length>0?Jn($[0],$.slice($[0]===2?-3:1)):Cr(a);l===38?n=u:s=u}else if(l===4&&$[0]===0)r.delete("underline");else if(Bn[l])r.add(Bn[l]);else if(Un[l])for(let u of Un[l])r.delete(u);else l===39?n=null:l===49?s=null:Qe(l,30)||Qe(l,90)?n=l%10:(Qe(l,40)||Qe(l,100))&&(s=l%10)}return n===null&&s===null&&r.size===0?et:{foreground:n,background:s,is:r,classes:Ir(n,s,r)}}var Qe=(e,t)=>e>=t&&e<t+8;function Cr(e){let t=Number(e.shift());return Jn(t,e.splice(0,t===2?3:1).map(Number))}function Jn(e,t){if(e===2)return Ct(t);let[n=0]=t;if(e!==5)return null;if(n<16)return n%8;if(n>=232)return Ct([1,1,1].map(r=>r*(8+10*(n-232))));let s=n-16;return Ct([Math.floor(s/36),Math.floor(s/6)%6,s%6].map(r=>r*51))}var Nr=48;function Ct([e=0,t=0,n=0]){let s=Math.max(e,t,n),r=Math.min(e,t,n);if(s-r<Nr)return s<128?0:7;let a=(s+r)/2;return(e>a?1:0)+(t>a?2:0)+(n>a?4:0)}function Ir(e,t,n){let s=n.has("inverse")?e??7:t,r=s===null?e!==null&&`ansi-${e}`:`ansi-on-${s}`,a=[...n].filter(i=>i!=="inverse").map(i=>`ansi-${i}`);return[r,...a].filter(Boolean).join(" ")}var Lr=1e5,Dr=1e4,Vn=1e5,Yn=/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?[Zz] /,ge=class{dropped=0;#e=[];#t=[];#r=new Map;#s=new Set;#o=et;#n="";#a=!1;get end(){return this.finished+(this.#n!==""&&!this.#a?1:0)}get finished(){return this.dropped+this.#e.length}add(t){let n=(this.#n+t).split(`
`);this.#n=Pr(n.pop()??"");for(let r of n)this.#i(r);let s=this.#e.length-Lr;s>Dr&&this.#l(s)}finish(){this.#n!==""&&!this.#a&&this.#i(this.#n),this.#a=!0}line(t){return t>=this.finished?Gn(this.#n,this.#o):{text:this.#e[t-this.dropped]??"",spans:this.#r.get(t)??[],isError:this.#s.has(t)}}errors(){return this.end>this.finished&&this.line(this.finished).isError?[...this.#s,this.finished]:[...this.#s]}width(t){return t>=this.finished?Kn(this.line(t).text):this.#t[t-this.dropped]}#i(t){let{text:n,spans:s,style:r,isError:a}=Gn(t,this.#o);this.#o=r,a&&this.#s.add(this.finished),s.length>0&&this.#r.set(this.finished,s),this.#e.push(n),this.#t.push(Kn(n))}#l(t){this.#e.splice(0,t),this.#t.splice(0,t),this.dropped+=t;for(let n of[this.#r,this.#s])for(let s of n.keys()){if(s>=this.dropped)break;n.delete(s)}}};function Gn(e,t){let n=Yn.exec(e)?.[0]??"",s=Wn(e.slice(n.length),t),r=s.spans.map(a=>({...a,from:a.from+n.length,to:a.to+n.length}));return{...s,text:n.toUpperCase()+s.text,spans:r,isError:n.endsWith("z ")}}function Pr(e){if(e.length<=Vn)return e;let t=Yn.exec(e)?.[0]??"",n=e.slice(Math.max(e.lastIndexOf("\r")+1,t.length));return(t+n).slice(0,Vn)}var Hr=/^[ -~]*$/,qr=new RegExp("[\\u1100-\\u115f\\u2e80-\\ua4cf\\uac00-\\ud7a3\\uf900-\\ufaff\\ufe30-\\ufe6f\\uff00-\\uff60\\uffe0-\\uffe6]|\\p{Emoji_Presentation}|[\\u{20000}-\\u{3fffd}]","gu");function Kn(e){if(Hr.test(e))return e.length;let t=e.match(qr)?.length??0;return[...e].length+t}function zn(e,t,n,s=null){let r=s===null?e.end-e.dropped:s.length,a=s===null?Fr(e.dropped,r):Br(s,e.end);if(t===null)return{count:r,begins:l=>l,...a};let i=new Float64Array(r+1);for(let l=0;l<r;l+=1){let $=a.numberAt(l),u=n.get($)??Math.max(Math.ceil(e.width($)/t),1);i[l+1]=i[l]+u}return{count:r,begins:l=>i[l],...a}}function Fr(e,t){return{numberAt:n=>e+n,indexOf:n=>Math.min(Math.max(n-e,0),t)}}function Br(e,t){return{numberAt:n=>e[n]??t,indexOf:n=>{let s=0,r=e.length;for(;s<r;){let a=s+r>>1;e[a]<n?s=a+1:r=a}return s}}}function tt(e,{count:t,begins:n}){let s=0,r=Math.max(t-1,0);for(;s<r;){let a=Math.ceil((s+r)/2);n(a)<=e?s=a:r=a-1}return s}function nt(e){return e===""?null:new RegExp(e.replace(/[\\^$.*+?()[\]{}|]/g,"\\$&"),"gi")}var Oe=class{hits=[];#e=0;#t;constructor(t){this.#t=new RegExp(t.source,"i")}advance(t,n){for(this.hits[0]<t.dropped&&(this.hits=this.hits.filter(s=>s>=t.dropped)),this.#e=Math.max(this.#e,t.dropped);this.#e<t.finished;){if(this.#e%256===0&&n())return!1;this.#t.test(t.line(this.#e).text)&&this.hits.push(this.#e),this.#e+=1}return!0}};function Zn(e,t,n,s){if(e.length===0)return null;let r=t??(s===1?n.first-1:n.last+1),a=e.findIndex(l=>l>r);if(s===1)return a===-1?e[0]:e[a];let i=e.findLastIndex(l=>l<r);return i===-1?e[e.length-1]:e[i]}function Ne({text:e,spans:t},n){let r=(n===null?[]:[...e.matchAll(n)]).map(({index:d,0:{length:p}})=>({from:d,to:d+p})),a=[0,e.length,...[...t,...r].flatMap(({from:d,to:p})=>[d,p])],i=[...new Set(a)].sort((d,p)=>d-p),l=d=>{let p=0;return m=>{for(;d[p]?.to<=m;)p+=1;return d[p]?.from<=m?d[p]:null}},$=l(t),u=l(r);return i.slice(1).map((d,p)=>{let m=i[p];return{text:e.slice(m,d),classes:$(m)?.classes??"",isHit:u(m)!==null}})}var re=20,Xn=20;function es({run:e}){let t=Object.fromEntries(T.value.words),n=Qn(t.attempt,e.attempt)??e.attempt,s=Qn(t.line,1/0),r=t.find??"",{log:a,version:i,isGrowing:l,error:$}=eo(e.id,n),u=c.run.log,d=({target:p})=>U({words:[["attempt",p.value]]});return o`<section class="card stack log">
		${_.value&&o`<p class="note">${c.past.notHere}</p>`}
		${e.attempt>1&&o`<label class="inline">
			${c.run.attempts}
			<select value=${n} onChange=${d}>
				${Array.from({length:e.attempt},(p,m)=>o`
					<option key=${m} value=${m+1}>${c.run.attempt(m+1)}</option>
				`)}
			</select>
		</label>`}
		${$&&o`<${yn} error=${$} />`}
		${a.dropped>0&&o`<p class="note">${u.cut}</p>`}
		${a.end===0&&!$?o`<p class="quiet">${l?c.loading:u.empty}</p>`:o`<${Ur} log=${a} version=${i} isGrowing=${l} attempt=${n} linked=${s} find=${r}
			save=${()=>D(()=>Zr(e.id,n))} key=${n} />`}
	</section>`}function Qn(e,t){return/^[1-9][0-9]{0,8}$/.test(e??"")&&Number(e)<=t?Number(e):null}function Ur({log:e,version:t,isGrowing:n,attempt:s,linked:r,find:a,save:i}){let l=c.run.log,$=h(a),u=h(null),d=te(()=>nt($.value),[$.value]),p=te(()=>e.errors(),[e,t]),m=h(!1),v=zr(e,t,d),f=m.value?v.filter(g=>e.line(g).isError):v,x=u.value??(r===null?null:r-1),b=Kr(e,t,m.value?p:null,x,r===null),A=E(null);F(()=>{if(r===null||A.current===r||r>b.layout.numberAt(b.layout.count))return;A.current=r;let{first:g,last:q}=b.visible();(r-1<g||r-1>q)&&b.show(r-1)},[r,t]);let J=g=>{let q=Zn(f,u.value,b.visible(),g);q!==null&&(u.value=q,b.show(q))},oe=g=>{u.value=null,H($)(g)},ee=g=>{g.preventDefault(),J(1)},V=({target:g})=>m.value=g.checked,je=({target:g})=>Re.value=g.checked,Me=g=>{g.key!=="Enter"||!g.shiftKey||(g.preventDefault(),J(-1))},Ee=u.value===null?-1:f.indexOf(u.value),At=b.sticks.value?l.follows:l.grows;return o`<form class="group" role="search" onSubmit=${ee}>
			<input type="search" aria-label=${l.search} placeholder=${l.search} value=${$.value}
				onInput=${oe} onKeyDown=${Me} />
			<button type="button" aria-label=${l.previous} title=${l.previous} disabled=${f.length===0}
				onClick=${()=>J(-1)}>↑</button>
			<button type="button" aria-label=${l.next} title=${l.next} disabled=${f.length===0}
				onClick=${()=>J(1)}>↓</button>
			${d&&o`<span class="quiet" role="status">
				${Ee===-1?l.found(f.length):l.hit(Ee+1,f.length)}</span>`}
			<span class="quiet">${l.lines(e.end)}${n?` \xB7 ${At}`:""}</span>
			<label class="check"><input type="checkbox" checked=${m.value} disabled=${p.length===0}
				onChange=${V} />${l.errors(p.length)}</label>
			<label class="check"><input type="checkbox" checked=${Re.value}
				onChange=${je} />${l.wrap}</label>
			<button type="button" disabled=${b.sticks.value} onClick=${b.toEnd}>${l.latest}</button>
			<button type="button" onClick=${i}>${l.download}</button>
		</form>
		<div class="log-box ${Re.value?"is-wrapped":""}" ref=${b.element} tabindex="0" role="log"
			aria-live="off" aria-label=${c.run.tabs.log} ...${b.handlers}>
			<div class="line is-ruler" aria-hidden="true"><span class="line-number"></span><span class="line-stream"></span><span class="line-text"
				><span>${"0".repeat(ss)}</span></span></div>
			<${Wr} log=${e} version=${t} box=${b} pattern=${d} attempt=${s}
				current=${u.value} linked=${r} />
		</div>`}function Wr({log:e,box:t,pattern:n,attempt:s,current:r,linked:a}){let{begins:i,count:l}=t.layout,{top:$,height:u}=t.view.value,d=tt(Math.floor($/re)-Xn,t.layout),p=Math.min(tt(Math.ceil(($+u)/re)+Xn,t.layout)+1,l),m=Array.from({length:p-d},(b,A)=>t.layout.numberAt(d+A)),v=E(null);me(()=>v.current?t.measure(v.current):void 0);let f=b=>({...T.value,words:[["attempt",s],["line",b+1]]}),x=b=>b===r?"is-current":b+1===a?"is-linked":"";return o`<svg class="spacer" width="1" height=${i(d)*re} aria-hidden="true"></svg>
		<div ref=${v}>
			${m.map(b=>({number:b,line:e.line(b)})).map(({number:b,line:A})=>o`
				<div class="line ${x(b)}" key=${b} data-number=${b}>
					<${S} to=${f(b)} class="line-number" tabindex="-1" aria-label=${c.run.log.line(b+1)}>
						${b+1}<//>
					<${ns} isError=${A.isError} />
					<span class="line-text">${Ne(A,n).map(st)}</span>
				</div>`)}
		</div>
		<svg class="spacer" width="1" height=${(i(l)-i(p))*re} aria-hidden="true"></svg>`}function ts({text:e}){let t=te(()=>Jr(e),[e]);return Array.from({length:t.end},(n,s)=>{let r=t.line(s);return o`<${ns} isError=${r.isError} />${Ne(r,null).map(st)}${`
`}`})}function ns({isError:e}){return e?o`<span class="line-stream" role="img" aria-label="stderr" title="stderr">!</span>`:o`<span class="line-stream"></span>`}function Jr(e){let t=new ge;return t.add(e),t.finish(),t}function st({text:e,classes:t,isHit:n}){let s=t?o`<span class=${t}>${e}</span>`:e;return n?o`<mark>${s}</mark>`:s}var ss=100,Vr=200,Gr=["ArrowUp","PageUp","Home"];function Kr(e,t,n,s,r){let a=E(null),i=h({top:0,height:480,columns:80}),l=h(r),$=E(0),u=E({first:0,last:0}),d=E({before:0,now:0,at:0}),p=E({columns:null,rows:new Map}),m=h(0),v=Re.value?i.value.columns:null;p.current.columns!==v&&(p.current={columns:v,rows:new Map});let f=te(()=>zn(e,v,p.current.rows,n),[e,t,n,v,m.value]),x=()=>{let{top:g,height:q}=i.value,fe=we=>f.numberAt(tt(we,f));return{first:fe(Math.ceil(g/re)),last:fe(Math.floor((g+q)/re)-1)}},b=()=>a.current.scrollHeight-a.current.clientHeight,A=()=>performance.now()-d.current.at<Vr?d.current.before:b(),J=()=>{let{scrollTop:g,clientHeight:q}=a.current;i.value={...i.value,top:g,height:q},u.current=x()},oe=g=>f.begins(f.indexOf(g))*re,ee=g=>{a.current.scrollTop=g,$.current=a.current.scrollTop,J()},V=g=>{l.value=!1,ee(Math.max(oe(g)-a.current.clientHeight/2,0))},je=()=>{l.value=!0,ee(a.current.scrollHeight)},Me=()=>{a.current.scrollTop>0&&(l.value=!1)},Ee=()=>{let{scrollTop:g}=a.current;return g<$.current&&g<b()-re},At=()=>{let{scrollTop:g}=a.current;Ee()?l.value=!1:g>$.current&&g>A()-re&&(l.value=!0),$.current=g,J()};return me(()=>{d.current={before:d.current.now,now:b(),at:performance.now()},l.value&&Ee()&&(l.value=!1),l.value&&je()},[t,n===null,v,m.value,i.value.height]),me(()=>{if(l.value)return;let{first:g,last:q}=u.current;s!==null&&s>=g&&s<=q?V(s):ee(oe(g))},[n===null,v]),me(()=>{let g=new ResizeObserver(()=>{let q=a.current.querySelector(".is-ruler .line-text"),fe=q.firstElementChild.getBoundingClientRect().width/ss,{clientHeight:we}=a.current;i.value={...i.value,height:we,columns:Math.max(Math.floor(q.clientWidth/fe),1)},l.peek()&&je()});return g.observe(a.current),()=>g.disconnect()},[]),{element:a,view:i,sticks:l,layout:f,toEnd:je,visible:x,show:V,measure:g=>{if(v===null)return;let q=!1;for(let fe of g.children){let we=Number(fe.dataset.number),an=f.indexOf(we),ln=Math.max(Math.round(fe.offsetHeight/re),1);ln!==f.begins(an+1)-f.begins(an)&&(p.current.rows.set(we,ln),q=!0)}q&&(m.value+=1)},handlers:{onScroll:At,onWheel:({deltaY:g})=>g<0&&Me(),onTouchMove:Me,onKeyDown:({key:g})=>Gr.includes(g)&&Me()}}}var Yr=8;function zr(e,t,n){let s=te(()=>n&&new Oe(n),[e,n]),r=h(0);return F(()=>{if(s===null)return;let a,i=()=>{let l=performance.now(),$=s.advance(e,()=>performance.now()-l>Yr);r.value+=1,$||(a=setTimeout(i))};return i(),()=>clearTimeout(a)},[s,t]),r.value>=0&&s!==null?s.hits:[]}async function Zr(e,t){let n=[];for await(let{piece:r}of he(`/job-runs/${e}/logs`,[["attempt",t]]))n.push(r);let s=document.createElement("a");s.href=URL.createObjectURL(new Blob(n,{type:"text/plain"})),s.download=`${e}-${t}.log`,s.click(),URL.revokeObjectURL(s.href)}var Xr=1e3,Qr=80;function eo(e,t){let n=()=>({log:new ge,version:0,isGrowing:!0,error:null}),s=h(n());return F(()=>{let r=new AbortController;s.value=n();let{log:a}=s.value,i=l=>s.value={...s.value,version:s.value.version+1,...l};return to(e,t,a,r.signal,i),()=>r.abort()},[e,t]),s.value}async function to(e,t,n,s,r){let a=0,i,l=()=>{i=void 0,s.aborted||r({error:null})};for(;!s.aborted;)try{let $=[["attempt",t],["offset",a],["follow",!0]];for await(let{piece:u,bytes:d}of he(`/job-runs/${e}/logs`,$,s))n.add(u),a+=d,i??=setTimeout(l,Qr);if(clearTimeout(i),s.aborted)return;n.finish(),r({error:null,isGrowing:!1});return}catch($){if(s.aborted)return;let u=G($),d=u.status!==void 0&&u.status>=400&&u.status<500;if(r(d?{error:u,isGrowing:!1}:{error:u}),d)return;await new Promise(p=>setTimeout(p,Xr))}}var no=1e3,so=4,ro=3;function rs({runs:e}){let t=c.failures.logs,n=h(""),s=h(null),r=E(null);return F(()=>()=>r.current?.abort(),[]),o`<section class="stack">
		<form class="group" role="search" onSubmit=${i=>{i.preventDefault(),r.current?.abort(),r.current=new AbortController,ao(e,n.value,r.current.signal,l=>s.value=l)}}>
			<input type="search" required aria-label=${t.search} placeholder=${t.search} value=${n.value}
				onInput=${H(n)} />
			<button>${t.go}</button>
		</form>
		${s.value&&o`<${oo} ...${s.value} count=${e.length} />`}
	</section>`}function oo({sought:e,results:t,count:n}){let s=c.failures.logs,r=t.filter(l=>l!==void 0),a=r.filter(({hits:l})=>l),i=r.filter(({hits:l})=>l===null).length;return o`<p class="quiet" role="status">
			${s.searched(a.length,r.length,n)}${i>0&&` ${s.unread(i)}`}
		</p>
		<ul class="stack found-logs">
			${a.map(({run:l,hits:$,lines:u})=>o`<li key=${l.id}>
				<p><${I} id=${l.id} /> · <${S}
					to=${{view:"run",id:l.id,tab:"log",words:[["attempt",l.attempt],["find",e]]}}>
					${s.hits($??0)}<//></p>
				<pre class="json" tabindex="0"><code>${u.map(d=>o`${d.map(st)}${`
`}`)}</code></pre>
			</li>`)}
		</ul>`}async function ao(e,t,n,s){let r=nt(t);if(!r)return;let a=Array.from(e,()=>{}),i=0,l=async()=>{for(;i<e.length&&!n.aborted;){let $=i;i+=1;let u=await io(e[$],r,n);if(n.aborted)return;a[$]=u,s({sought:t,results:[...a]})}};s({sought:t,results:a}),await Promise.all(Array.from({length:so},l))}async function io(e,t,n){if(e.attempt===0)return{run:e,hits:0,lines:[]};let s=new ge;try{let i=[["attempt",e.attempt],["last",no]];for await(let{piece:l}of he(`/job-runs/${e.id}/logs`,i,n))s.add(l)}catch{return{run:e,hits:null,lines:[]}}s.finish();let r=new Oe(t);r.advance(s,()=>!1);let{hits:a}=r;return{run:e,hits:a.length,lines:a.slice(0,ro).map(i=>Ne(s.line(i),t))}}var lo=["open","resolved","ignored"];function co(){let{words:e,id:t}=T.value,n=Object.fromEntries(e),s=n.status??"open",r=w(l=>os(t,s,n.job,l),[t,s,n.job]);P("failures",r.again);let a=l=>U({id:"",words:[["status",l],...e.filter(([$])=>$!=="status")]}),i=l=>os("",s,n.job,void 0,l);return o`<div class="screen-head">
			<h1>${c.failures.title}</h1>
			<div class="group" role="group" aria-label=${c.runs.columns.status}>
				${lo.map(l=>o`
					<button key=${l} aria-pressed=${!t&&l===s} onClick=${()=>a(l)}>${l}</button>
				`)}
			</div>
		</div>
		<${O} asked=${r} list=${t&&"failures"}>
			${({rows:l})=>o`<${$o} groups=${l} asked=${r} load=${i} />`}
		<//>`}async function os(e,t,n,s,r=null){return e?{rows:[await uo(e,s)],next:null}:ue("/failures",[["status",t],["job",n],...R.value],r,s)}async function uo(e,t){if(_.value==="")return(await y(`/failures/${e}`,[],t)).data;let s=(await ne("/failures",R.value,t)).find(({fingerprint:r})=>r===e);if(!s)throw new cn(404,"failure_not_found",c.failures.notThen);return s}function $o({groups:e,asked:t,load:n}){let s=mo(e);return e.length===0?o`<${L} title=${c.failures.empty} hint=${c.failures.emptyHint} />`:o`<ul class="stack">
			${e.map(r=>o`
				<${bo} key=${r.fingerprint} group=${r} trend=${s.get(r.fingerprint)} again=${t.again}
					isOpen=${T.value.id===r.fingerprint} />
			`)}
		</ul>
		<${$e} asked=${t} load=${n} />`}var po=864e5,rt=18e5,fo=1e4,as=100;function mo(e){let t=e.map(({fingerprint:s})=>s);return w(s=>ho(t,s),[t.toSorted().join(",")],{everyMs:fo}).answer??new Map}async function ho(e,t){if(_.value||e.length===0)return new Map;let n=[];for(let u=0;u<e.length;u+=as)n.push(e.slice(u,u+as));let s=Math.ceil(Date.now()/rt)*rt,[r,a]=[s-po,s].map(u=>new Date(u).toISOString()),i={from:r,to:a,bucketMs:rt},l=await Promise.all(n.map(u=>y("/failures/over-time",[["group",u.join(",")],["from",r],["bucketMs",rt]],t))),$=({fingerprint:u,since:d,buckets:p})=>{let m=p.reduce((v,{failures:f})=>v+f,0);return[u,{buckets:_n(p,i),failed:m,isWhole:Date.parse(d)<=Date.parse(r),since:d}]};return new Map(l.flatMap(({data:u})=>u).map($))}var vo={open:["resolve","ignore"],resolved:["reopen"],ignored:["reopen"]},It=Fe("");function bo({group:e,trend:t,again:n,isOpen:s}){let r=h(s),{fingerprint:a,title:i,job:l,reason:$,frame:u,status:d,count:p,recovered:m,firstAt:v,lastAt:f,affectedVersions:x,sampleRun:b}=e,A=c.failures,J=V=>D(()=>N(`/failures/${a}/${V}`).then(n),A.done[V]),oe=({target:V})=>r.value=V.open,ee=[["failureGroup",a]];return o`<li class="card stack">
		<div class="screen-head">
			<${j} status=${d} />
			<h2 class="failure-title">${i}</h2>
			${M.value&&o`<div class="actions">
				${d==="open"&&o`
					<button onClick=${()=>It.value=a}>${A.retryAll} …</button>
				`}
				${vo[d].map(V=>o`<button key=${V} onClick=${()=>J(V)}>${A[V]}</button>`)}
			</div>`}
		</div>
		<p>
			<${z} slug=${l} /> · <code>${$}</code> ${u&&o`· <code>${u}</code>`} ·${" "}
			${A.versions(x)}
		</p>
		<p>
			<strong>${A.times(p)}</strong>${m>0&&`, ${A.recovered(m)}`} ·${" "}
			${A.first} <${k} at=${v} /> · ${A.last} <${k} at=${f} /> · ${A.sample}:${" "}
			<${I} id=${b} /> · <${S} to=${{view:"runs",words:ee}}>${c.runs.title}<//>
		</p>
		${t&&o`<p><${Ze} buckets=${t.buckets} /> <small>${t.isWhole?A.day(t.failed):A.since(t.failed,Q(t.since))}</small></p>`}
		<details open=${s} onToggle=${oe}>
			<summary>${A.details}</summary>
			${r.value&&o`<${yo} group=${e} />`}
		</details>
		${It.value===a&&o`
			<${Xe} action="retry" words=${[["job",l],...ee,["retried","false"]]} onClose=${()=>It.value=""} />
		`}
	</li>`}var go=50,is=30,wo=1e3;function yo({group:e}){let{fingerprint:t,lastAt:n}=e,s=[["failureGroup",t],["limit",go],...R.value],r=w(async a=>(await y("/job-runs",s,a)).data.map(({run:i})=>i),[t],{newer:[n]});return o`<${O} asked=${r}>
		${a=>o`<${ko} runs=${a} lastAt=${Date.parse(n)} />`}
	<//>`}function ko({runs:e,lastAt:t}){let n=c.failures;if(e.length===0)return o`<${L} title=${n.noRuns} hint=${n.noRunsHint} />`;let s=Math.min(...e.map(({completedAt:i})=>i?Date.parse(i):t)),r=Math.max((t-s)/(is-1),wo),a=Rn(e,t,is,r);return o`<div class="stack">
		${e.length>1&&o`<${xn} buckets=${a} text=${n.trend(e.length,C(t-s))}
			told=${({all:i})=>n.times(i)} />`}
		<${le} runs=${e.slice(0,10)} isBrief />
		<${rs} runs=${e} />
	</div>`}function ot(e){let t=c.jobs.limitOf,{maxConcurrentRuns:n,concurrencyKey:s,concurrencyLimit:r,rateLimit:a,fairnessKey:i,workerLabels:l}=e,$=Object.entries(l??{}).map(([u,d])=>`${u}=${d}`);return[n&&t.runs(n),s&&t.key(s,r),a&&t.rate(a.limit,C(a.periodMs)),i&&t.turns(i),...$].filter(u=>typeof u=="string")}var xo=["id","slug","version","createdAt","updatedAt","paused"];function cs(e){return Object.fromEntries(Object.entries(e).filter(([t])=>!xo.includes(t)))}function us(e,t){let n=[...new Set([...Object.keys(e),...Object.keys(t)])],s=r=>JSON.stringify(e[r])!==JSON.stringify(t[r]);return Object.fromEntries(n.filter(s).map(r=>[r,t[r]??null]))}var So=["job_definition.registered","job_definition.registered_again"];function $s(e){let t={};return e.map(({position:s,type:r,occurredAt:a,actor:i,data:l})=>{let $=t;So.includes(r)?t=l.spec??{}:r==="job_definition.revised"&&(t={...t,...l.changes});let u=r==="job_definition.registered"?[]:Lt($,t),d=r.replace("job_definition.","").replaceAll("_"," "),{version:p,reason:m=null}=l;return{position:s,kind:d,version:p,at:a,by:i,reason:m,changes:u}}).reverse()}var Oo=new Set(["id","createdAt","updatedAt","scheduledAt","startedAt","completedAt","logsUrl","idempotencyKey"]);function Lt(e,t){let n=[],s=new Set([...Object.keys(e),...Object.keys(t)]);for(let r of s)Oo.has(r)||ds(r,e[r],t[r],n);return n}function ds(e,t,n,s){if(ls(t)&&ls(n)&&Array.isArray(t)===Array.isArray(n)){let r=new Set([...Object.keys(t),...Object.keys(n)]);for(let a of r)ds(`${e}.${a}`,t[a],n[a],s)}else Object.is(t,n)||s.push({path:e,before:t,after:n})}var ls=e=>typeof e=="object"&&e!==null;var Ao=["string","integer","number","boolean"];function Dt(e){let t=at("",e??{},!0,e??{},0);return t.kind==="json"&&jo(e??{})?{...t,kind:"object",fields:[]}:t}var jo=e=>Object.keys(e).every(t=>["type","title","description","$schema","$defs"].includes(t));function at(e,t,n,s,r){let{schema:a,isNullable:i}=_o(Pt(t,s),s),l={name:e,title:e,hint:"",kind:"json",isRequired:n,isNullable:i};if(!a||r>6)return l;let{title:$=e,format:u,type:d}=a,p={...l,title:$,hint:[a.description,...To(a)].filter(Boolean).join(" \xB7 "),..."default"in a&&{initial:a.default},isSecret:a.writeOnly===!0||u==="password"},m=a.enum??("const"in a?[a.const]:void 0);if(m)return{...p,kind:"choice",choices:m};let v=a.oneOf??a.anyOf;if(v&&!a.properties)return Mo(p,v,s,r);if(v||a.allOf||a.patternProperties||a.prefixItems)return p;if(d==="string")return{...p,kind:d,format:u,isLong:!u&&!((a.maxLength??1/0)<=100)};if(Ao.includes(d))return{...p,kind:d};if(a.properties){let f=a.required??[],x=Object.entries(a.properties).map(([b,A])=>at(b,A,f.includes(b),s,r+1));return{...p,kind:"object",fields:x.sort((b,A)=>Number(A.isRequired)-Number(b.isRequired))}}return d==="array"&&a.items?{...p,kind:"array",item:{...at("",a.items,!0,s,r+1),title:""}}:p}function Mo(e,t,n,s){let r=t.map((a,i)=>{let l=at(e.name,a,!0,n,s+1),$=(l.fields??[]).filter(({kind:d,choices:p})=>d==="choice"&&p?.length===1),u=l.title!==e.name&&l.title?l.title:$[0]?.choices?.[0]??Eo(l);return{...l,title:String(u||i+1)}});return{...e,kind:"union",options:r}}var Eo=({kind:e,choices:t})=>t?t.map(String).join(", "):e;function To(e){let t=($,u,d)=>$!==void 0&&u!==void 0?`${$} to ${u}${d}`:$!==void 0?`at least ${$}${d}`:u!==void 0?`at most ${u}${d}`:"",{minimum:n,maximum:s,exclusiveMinimum:r,exclusiveMaximum:a,multipleOf:i,pattern:l}=e;return[t(n,s,""),r!==void 0&&`more than ${r}`,a!==void 0&&`less than ${a}`,i!==void 0&&`a multiple of ${i}`,t(e.minLength,e.maxLength," characters"),t(e.minItems,e.maxItems," entries"),l!==void 0&&`as ${l}`].filter(Boolean)}function Pt(e,t,n=0){if(typeof e!="object"||e===null)return{};if(!e.$ref)return e;let r=(e.$ref==="#"?[]:e.$ref.startsWith("#/")?e.$ref.slice(2).split("/"):null)?.reduce((a,i)=>a?.[i.replaceAll("~1","/").replaceAll("~0","~")],t);return!r||n>6?null:{...Pt(r,t,n+1),...e,$ref:void 0}}function _o(e,t){if(!e)return{schema:null,isNullable:!1};let n=e.anyOf?"anyOf":"oneOf",s=Array.isArray(e.type)?e.type.map(u=>({type:u})):e[n];if(!s)return{schema:e,isNullable:!1};let r=s.filter(({type:u})=>u!=="null"),a=r.length<s.length,{[n]:i,type:l,...$}=e;return r.length===1?{schema:{...Pt(r[0],t),...$},isNullable:a}:{schema:{...$,anyOf:r},isNullable:a}}function Ie(e,t){if(t===void 0)return!0;if(t===null)return e.isNullable||e.kind==="json";switch(e.kind){case"string":return typeof t=="string";case"integer":return Number.isSafeInteger(t);case"number":return typeof t=="number";case"boolean":return typeof t=="boolean";case"choice":return!!e.choices?.some(n=>Ro(n,t));case"array":return Array.isArray(t);case"union":return!!e.options?.some(n=>Ht(n,t));case"object":return typeof t=="object"&&!Array.isArray(t);default:return!0}}var Ro=(e,t)=>JSON.stringify(e)===JSON.stringify(t);function Ht(e,t){return t===void 0||!Ie(e,t)?!1:e.kind!=="object"||t===null?!0:(e.fields??[]).every(n=>t[n.name]===void 0?!n.isRequired:Ie(n,t[n.name]))}var ps=(e,t)=>Object.keys(t??{}).filter(n=>!e.fields?.some(s=>s.name===n));function it(e){if(e.initial!==void 0)return e.initial;switch(e.kind){case"choice":return e.choices?.[0];case"string":return"";case"integer":case"number":return 0;case"boolean":return!1;case"array":return[];case"object":return lt(e);case"union":return e.options?.[0]?it(e.options[0]):null;default:return null}}function lt(e){let t=(e.fields??[]).map(n=>n.initial!==void 0?[n.name,n.initial]:n.isRequired&&n.kind==="choice"&&n.choices?.length===1?[n.name,n.choices[0]]:n.isRequired&&n.kind==="object"?[n.name,lt(n)]:[n.name,void 0]);return Object.fromEntries(t.filter(([,n])=>n!==void 0))}function Le(e){return typeof e=="number"?Number.isInteger(e)&&!Number.isSafeInteger(e):typeof e=="object"&&e!==null&&Object.values(e).some(Le)}function De(e){try{let t=JSON.parse(e);return typeof t=="object"&&!Array.isArray(t)?t:null}catch{return null}}function fs(e,t,n){let{[t]:s,...r}=e;return n===void 0?r:{...e,[t]:n}}function ms(e,t){let n=`/parameters${t}`;return e.filter(s=>s.path===n).map(({message:s})=>s)}function ct({job:e,origin:t,onLaunched:n=()=>{}}){let s=c.jobs,r=h({typed:t?.parameters,raw:null}),a=h(t?No(t,e):{}),i=h({message:"",issues:[]}),l=E({body:"",key:""}),$=d=>r.value=d;return o`<form class="stack launch" onSubmit=${async d=>{d.preventDefault();let p=ut(r.value,e);if(i.value={message:p?"":s.badJson,issues:[]},!!p)try{let m={...Io(a.value,t),parameters:p},v=JSON.stringify(m);l.current.body!==v&&(l.current={body:v,key:se()});let{data:f}=await N(`/jobs/${e.slug}/run`,m,{"Idempotency-Key":l.current.key});W(s.launched(f.id)),n(),B({view:"run",id:f.id})}catch(m){let{message:v,issues:f=[]}=G(m);i.value={message:m instanceof SyntaxError?s.badContext:v,issues:f},Bt(d.target)}}} noValidate>
		${t&&o`<p class="quiet">${s.rerunOf} <${I} id=${t.id} /></p>`}
		<${Ut} job=${e} draft=${r.value} onChange=${$}
			issues=${i.value.issues} isWrong=${i.value.message!==""} />
		<${Lo} options=${a} issues=${i.value.issues} />
		${i.value.message&&o`<p class="problem" role="alert">${i.value.message}</p>`}
		<div class="actions"><button class="main">${s.launch}</button></div>
	</form>`}var Bt=e=>requestAnimationFrame(()=>e.querySelector("[aria-invalid]")?.focus());function ut({typed:e,raw:t},n){return t!==null?De(t):e??{...lt(Dt(n?.parametersSchema)),...Co(n?.defaultParameters)}}function Ut({job:e,draft:t,onChange:n,issues:s,isWrong:r}){let a=c.jobs,i=Dt(e.parametersSchema),l=i.kind==="union"||i.kind==="object"&&i.fields?.length,$=t.raw!==null||!l,u=ut(t,e),d=t.raw??JSON.stringify(u,null,2),p=u===null,m=({target:x})=>{x.checked?n({...t,raw:d}):p||n({typed:u,raw:null})},v=({target:x})=>n({...t,raw:x.value}),f=x=>n({typed:x,raw:null});return o`
		${l&&o`
			<label class="check"><input type="checkbox" checked=${$} disabled=${p} onChange=${m} />${a.raw}</label>
		`}
		${$?o`<textarea rows="10" aria-label=${c.run.parameters} aria-invalid=${r||p?"true":void 0}
				value=${d} onInput=${v}></textarea>`:o`<${i.kind==="union"?ys:bs} field=${i} value=${u} path="" common=${{id:"field"}}
				issues=${s} onChange=${f} />`}
		${Le(u)&&o`<p class="note" role="status">${a.rounded}</p>`}
	`}function Co(e){return Object.fromEntries(Object.entries(e??{}).filter(([,t])=>t!==null))}var qt=["delayMs","timeoutMs","maxAttempts","priority","startDeadlineMs"];function No(e,t){let{retryOf:n,rerunOf:s,...r}=e.context??{},a=(i,l)=>i==null||i===l?"":String(i);return{delayMs:e.scheduledAt>e.createdAt?String(Date.parse(e.scheduledAt)-Date.parse(e.createdAt)):"",timeoutMs:a(e.timeoutMs,t.timeoutMs),maxAttempts:a(e.maxAttempts,t.retryPolicy?.maxAttempts??1),priority:a(e.priority,t.priority??0),startDeadlineMs:a(e.startDeadlineMs,t.startDeadlineMs),context:Object.keys(r).length>0?JSON.stringify(r,null,2):""}}function Io(e,t){let n=qt.filter(r=>(e[r]??"")!=="").map(r=>[r,Number(e[r])]),s=e.context?De(e.context):{};if(s===null)throw new SyntaxError("the context is no JSON object");return t&&(s.rerunOf=t.id),{...Object.fromEntries(n),...Object.keys(s).length>0&&{context:s}}}function Lo({options:e,issues:t}){let n=c.jobs.options,s=i=>t.filter(({path:l})=>l===`/${i}`).map(({message:l})=>l),r=i=>({target:l})=>e.value={...e.value,[i]:l.value},a=Object.values(e.value).some(Boolean);return o`<details open=${a||[...qt,"context"].some(i=>s(i).length>0)}>
		<summary>${n.title}</summary>
		<div class="options">
			${qt.map(i=>o`<label key=${i}>
				${n[i]}
				<input type="number" value=${e.value[i]??""} onInput=${r(i)}
					aria-invalid=${s(i).length>0?"true":void 0} />
				${s(i).map(l=>o`<span class="problem" key=${l}>${l}</span>`)}
			</label>`)}
			<label>${n.context}<textarea rows="2" value=${e.value.context??""} onInput=${r("context")}></textarea></label>
		</div>
	</details>`}function bs({field:e,value:t,path:n,issues:s,onChange:r}){let a=i=>l=>r(fs(t??{},i,l));return o`
		${(e.fields??[]).map(i=>o`<${Ft} key=${i.name} field=${i} value=${t?.[i.name]}
			path=${`${n}/${hs(i.name)}`} issues=${s} onChange=${a(i.name)} />`)}
		${ps(e,t).map(i=>o`<${Ft} key=${i} field=${Do(i)} value=${t[i]}
			path=${`${n}/${hs(i)}`} issues=${s} onChange=${a(i)} />`)}
	`}var hs=e=>e.replaceAll("~","~0").replaceAll("/","~1"),Do=e=>({name:e,title:e,hint:c.jobs.unlisted,kind:"json",isRequired:!1,isNullable:!0});function Ft({field:e,value:t,path:n,issues:s,onChange:r}){let a=ms(s,n),i=`field${n}`,l=[e.hint&&`${i}-hint`,a.length>0&&`${i}-wrong`].filter(Boolean).join(" ")||void 0,$={id:i,"aria-describedby":l,"aria-invalid":a.length>0?"true":void 0,"aria-required":e.isRequired},u=Ie(e,t)?e.kind:"json",d=["object","array","union"].includes(u),p=o`<${gs[u]}
		field=${e} value=${t} path=${n} issues=${s} common=${$} onChange=${r} />`,m=o`<bdi>${e.title}</bdi> ${e.isRequired&&o`<small>${c.jobs.required}</small>`}`;return o`<div class="field">
		${d?o`<fieldset aria-describedby=${l}><legend>${m}</legend>${p}</fieldset>`:o`<label for=${i}>${m}</label>${p}`}
		${e.hint&&o`<small id=${`${i}-hint`}>${e.hint}</small>`}
		${a.length>0&&o`<p class="problem" id=${`${i}-wrong`}>${a.join("; ")}</p>`}
	</div>`}var gs={string:Ho,integer:vs,number:vs,boolean:qo,choice:ws,object:bs,array:Fo,union:ys,json:Bo},Po={date:"date",email:"email",uri:"url"};function Ho({field:e,value:t,common:n,onChange:s}){let r=({target:i})=>s(i.value===""&&!e.isRequired?void 0:i.value);if(e.isSecret)return o`<input ...${n} type="password" autocomplete="new-password" value=${t??""} onInput=${r} />`;if(e.isLong||/[\r\n]/.test(t??""))return o`<textarea ...${n} class="growing" rows="1" value=${t??""} onInput=${r}></textarea>`;if(e.format==="date-time")return o`<${Wt} value=${t} common=${n} set=${r} onChange=${s} />`;let a=e.format!=="date"||/^(\d{4}-\d\d-\d\d)?$/.test(t??"");return o`<input
		...${n} type=${a?Po[e.format??""]??"text":"text"} value=${t??""} onInput=${r} />`}function Wt({value:e,common:t,set:n,onChange:s}){let r=({target:a})=>a.value&&s(new Date(a.value).toISOString());return o`<div class="group">
		<input ...${t} value=${e??""} placeholder="2026-12-24T18:00:00Z" onInput=${n} />
		<input type="datetime-local" step="1" aria-label=${c.jobs.pick} title=${c.jobs.pick} onChange=${r} />
	</div>`}function vs({field:e,value:t,common:n,onChange:s}){let r=({target:a})=>s(a.value===""?void 0:a.valueAsNumber);return o`<input
		...${n} type="number" step=${e.kind==="integer"?1:"any"} value=${t??""} onInput=${r} />`}function qo(e){let{field:t,value:n,common:s,onChange:r}=e;return n==null?o`<${ws} ...${e} field=${{...t,choices:[!0,!1]}} />`:o`<input ...${s} type="checkbox" checked=${n} onChange=${({target:i})=>r(i.checked)} />`}function ws({field:{choices:e=[],isRequired:t},value:n,common:s,onChange:r}){let a=e.findIndex(l=>JSON.stringify(l)===JSON.stringify(n));return o`<select ...${s} value=${a} onChange=${({target:l})=>r(l.value==="-1"?void 0:e[Number(l.value)])}>
		${(a<0||!t)&&o`<option value="-1">–</option>`}
		${e.map((l,$)=>o`
			<option key=${$} value=${$}>${typeof l=="string"?l:JSON.stringify(l)}</option>
		`)}
	</select>`}function Fo({field:e,value:t,path:n,issues:s,onChange:r}){let a=e.item,i=t??[],l=($,u)=>r(i.map((d,p)=>p===$?u:d));return o`${i.map(($,u)=>o`<div class="array-item" key=${u}>
			<${Ft}
				field=${{...a,title:`${u+1}`}} value=${$} path=${`${n}/${u}`}
				issues=${s} onChange=${d=>l(u,d??null)} />
			<button type="button" class="plain" onClick=${()=>r(i.filter((d,p)=>p!==u))}>
				${c.jobs.remove}
			</button>
		</div>`)}
		<button type="button" onClick=${()=>r([...i,it(a)])}>${c.jobs.item}</button>`}function ys({field:e,value:t,path:n,issues:s,common:r,onChange:a}){let{options:i=[]}=e,l=i.findIndex(m=>Ht(m,t)),$=h(l),u=l<0?$.value:l,d=i[u],p=({target:m})=>{$.value=Number(m.value),a($.value<0?void 0:it(i[$.value]))};return o`
		<select aria-label=${`${e.title} ${c.jobs.kind}`.trim()} value=${u} onChange=${p}>
			${(u<0||!e.isRequired)&&o`<option value="-1">–</option>`}
			${i.map(({title:m},v)=>o`<option key=${v} value=${v}>${m}</option>`)}
		</select>
		${d&&o`<${gs[Ie(d,t)?d.kind:"json"]} key=${u}
			field=${d} value=${t} path=${n} issues=${s} common=${r} onChange=${a} />`}
	`}function Bo({value:e,common:t,onChange:n}){return o`<textarea ...${t} rows="3" onChange=${({target:r})=>{try{n(JSON.parse(r.value))}catch{n(r.value===""?void 0:r.value)}}}
		defaultValue=${e===void 0?"":JSON.stringify(e,null,2)}></textarea>`}var Uo=50,ks={runs:xs,launch:Vo,definition:Ko,versions:Qo,revise:Go};function Wo(){let{id:e}=T.value,t=w(async r=>(await y(`/jobs/${e}`,[["limit",Uo],...R.value],r)).data,[e]),{job:n,runs:s=[]}=t.answer??{};return P("jobs",t.again,r=>n!==void 0&&r.has(n.slug)),P("runs",t.again,r=>[...r.values()].some(({slug:a,createdAt:i,id:l})=>a===n?.slug&&i>=(s[0]?.createdAt??"")&&s.every($=>$.id!==l))),o`<${O} asked=${t} lines=${8} list="jobs">
		${r=>o`<${Jo} job=${r.job} runs=${r.runs} again=${t.again} />`}
	<//>`}function Jo({job:e,runs:t,again:n}){let{tab:s}=T.value,r=ks[s]??xs;return o`<div class="screen-head">
			<div>
				<h1>${e.name}</h1>
				<p class="quiet">
					<span class="id">${e.slug}</span> · ${c.jobs.columns.version.toLowerCase()} ${e.version}
				</p>
			</div>
			${M.value&&o`<div class="actions">
				<${Ve} paused=${e.paused} name=${e.slug} path=${`/jobs/${e.slug}`} text=${c.jobs.pauseText} again=${n} />
				${s!=="launch"&&o`<button class="main" onClick=${()=>B({view:"job",id:e.slug,tab:"launch"})}>
					${c.jobs.launch}
				</button>`}
			</div>`}
		</div>
		${e.metadata?.description&&o`<p>${e.metadata.description}</p>`}
		${e.paused&&o`
			<p class="note">
				<${j} status="paused" /> <${k} at=${e.paused.at} /> · <bdi>${e.paused.by}</bdi>
				${e.paused.reason&&o` · <bdi>${e.paused.reason}</bdi>`}
			</p>
		`}
		<${na} job=${e} />
		<${Je} tabs=${c.jobs.tabs} current=${ks[s]?s:"runs"} />
		<${r} job=${e} runs=${t} again=${n} />`}function xs({job:e,runs:t}){let n=X(t,"runs",({id:s})=>s);return o`<${Ln} job=${e.slug} />
		<section class="card stack">
			<h2>${c.jobs.durations}</h2>
			<${zo} runs=${n} />
		</section>
		<div class="screen-head">
			<h2>${c.jobs.runs}</h2>
			<div class="actions"><${S} to=${{view:"runs",words:[["job",e.slug]]}}>${c.runs.title}<//></div>
		</div>
		<${le} runs=${n} isOfOneJob />`}function Vo({job:e}){return M.value?o`<section class="card"><${ct} job=${e} key=${e.slug} /></section>`:o`<${be} />`}function Go({job:e,again:t}){return o`<${ta} job=${e} again=${t} key=${e.version} />`}function Ko({job:e}){let t=ot(e);return o`<dl class="facts card">
			<div><dt>${c.jobs.entryPoint}</dt><dd><code>${e.entryPoint}</code></dd></div>
			<div><dt>${c.jobs.limits}</dt><dd>${t.join(", ")||c.none}</dd></div>
			<div><dt>${c.run.facts.timeout}</dt><dd>${C(e.timeoutMs)}</dd></div>
		</dl>
		<div class="cards">
			<section class="card">
				<h2>${c.jobs.schema}</h2>
				<${Y} value=${e.parametersSchema} label=${c.jobs.schema} />
			</section>
			<section class="card">
				<h2>${c.jobs.definition}</h2>
				<${Y} value=${e} label=${c.jobs.definition} />
			</section>
		</div>`}var Jt=1e3,Vt=100,Yo=2;function zo({runs:e}){let t=Cn(e);if(t.length<Yo)return o`<p class="quiet">${c.jobs.needMore}</p>`;let[n,s,r]=[.5,.95,.99].map(a=>C(Nn(t,a)));return o`<p>${c.jobs.percentiles(n,s,r)}</p>
		<${Zo} ...${In(e)} />`}function Zo({points:e,first:t,last:n,longest:s}){return o`<figure class="plot" aria-hidden="true">
		<div class="plot-scale"><span>${C(s)}</span><span>${C(s/2)}</span><span>0</span></div>
		<svg viewBox="0 0 ${Jt} ${Vt}" preserveAspectRatio="none">
			${[0,.5,1].map(r=>o`
				<path class="rule" key=${r} d=${`M0 ${r*Vt}H${Jt}`} vector-effect="non-scaling-stroke" />
			`)}
			${e.map(({run:r,x:a,y:i})=>o`<path key=${r.id} class="point status-${r.status}"
				d=${`M${a*Jt} ${(1-i)*Vt}h0.01`}>
				<title>${C(r.durationMs)} · ${c.status(r.status)} · ${Q(r.completedAt??"")}</title>
			</path>`)}
		</svg>
		<figcaption><span>${Q(t)}</span><span>${Q(n)}</span></figcaption>
	</figure>`}var Xo=1e3;function Qo({job:e}){let t=[["subject",e.id]],n=w(async s=>$s((await ne("/events",t,s,Xo)).filter(Te)),[e.id],{newer:[e.version,e.paused?.at]});return o`<${O} asked=${n}>
		${s=>o`<ol class="events">
			${s.map(r=>o`<${ea} key=${r.position} change=${r} />`)}
		</ol>`}
	<//>`}function ea({change:e}){let{kind:t,version:n,at:s,by:r,reason:a,changes:i}=e;return o`<li class="card">
		<header>
			<h2>${t} ${n&&c.jobs.versionOf(n)}</h2>
			<span class="quiet"><${k} at=${s} full /> · <bdi>${r}</bdi></span>
		</header>
		${a&&o`<p>${a}</p>`}
		${i.length>0&&o`<${We} found=${i} />`}
	</li>`}function ta({job:e,again:t}){let n=cs(e),s=h(JSON.stringify(n,null,2)),r=h({message:"",issues:[]}),a=c.jobs;if(!M.value)return o`<${be} />`;let i=async u=>{u.preventDefault();try{let d=us(n,JSON.parse(s.value));if(Object.keys(d).length===0){r.value={message:a.unchanged,issues:[]};return}let{data:p}=await ae("PATCH",`/jobs/${e.slug}`,{...d,version:e.version+1});W(a.revised(p.version)),t(),B({view:"job",id:e.slug,tab:"versions"})}catch(d){let{message:p,issues:m=[]}=G(d);r.value={message:d instanceof SyntaxError?a.badJson:p,issues:m}}},{message:l,issues:$}=r.value;return o`<form class="card stack" onSubmit=${i}>
		<p class="quiet">${a.revisionHint}</p>
		<textarea rows="22" aria-label=${a.definition}
			aria-invalid=${l?"true":void 0} aria-describedby=${l?"revision-problem":void 0}
			value=${s.value} onInput=${H(s)}></textarea>
		${Le(De(s.value))&&o`<p class="note" role="status">${a.rounded}</p>`}
		${l&&o`<div id="revision-problem" class="problem" role="alert">
			<p>${l}</p>
			${$.length>1&&o`<ul>${$.map(({path:u,message:d})=>o`<li key=${u+d}><code>${u}</code> ${d}</li>`)}</ul>`}
		</div>`}
		<div class="actions"><button class="main">${a.revise}</button></div>
	</form>`}function na({job:e}){let{slug:t}=e,s=w(r=>y("/job-runs/counts",[["job",t],...R.value],r),[t]);return P("runs",s.again,r=>[...r.values()].some(a=>a.slug===t)),o`<${O} asked=${s} lines=${1}>${({data:r})=>o`<${sa} counts=${r} job=${e} />`}<//>`}function sa({counts:e,job:t}){let{slug:n,maxConcurrentRuns:s}=t,r=s&&c.jobs.used(e.running,s),a=i=>[["job",n],["status",i]];return o`<ul class="standing">
		${Ke.map(i=>o`<li key=${i}>
			<${S} to=${{view:"runs",words:a(i)}}><${j} status=${i} /><//> ${ke(e[i])}
		</li>`)}
		${s&&o`<li>
			<meter min="0" max=${s} value=${e.running} aria-label=${r}></meter> <small>${r}</small>
		</li>`}
	</ul>`}function ra(){let e=w(oa,[]);return P("jobs",e.again),P("deletedJobs",e.again),P("failures",e.again),o`<div class="screen-head"><h1>${c.jobs.title}</h1></div>
		<${O} asked=${e}>${t=>o`<${aa} ...${t} />`}<//>`}async function oa(e){let{from:t,to:n,bucketMs:s}=Tn("24h",_e.value),r=[["from",t],["to",n],["bucketMs",s],["groupBy","job"],...R.value],[a,i,l]=await Promise.all([y("/jobs",R.value,e),ne("/failures",[["status","open"],...R.value],e),y("/job-runs/statistics",r,e)]),$=new Map;for(let{job:d}of i)$.set(d,($.get(d)??0)+1);let u=new Map(Pn(l.data.buckets,l.meta).map(d=>[d.slug,d]));return{jobs:a.data,failing:$,trends:u}}function aa({jobs:e,failing:t,trends:n}){let s=({slug:i})=>n.get(i.toLowerCase()),r=c.jobs.columns;if(e.length===0)return o`<${L} title=${c.jobs.empty} hint=${c.jobs.emptyHint} command=${c.jobs.emptyCommand} />`;let a=[{name:"first",title:r.job,cell:i=>o`<${z} slug=${i.slug}><strong>${i.name}</strong><//>${" "}
					<small class="id">${i.slug}</small>`},{name:"state",title:r.health,cell:i=>o`<${ca} job=${i} failing=${t.get(i.slug)??0} />`},{name:"day",title:r.day,cell:i=>o`<${la} trend=${s(i)} />`},{name:"took",title:r.took,cell:i=>ia(s(i))},{name:"version",title:r.version,cell:({version:i})=>i},{name:"limits",title:r.limits,cell:i=>o`<small>${ot(i).join(", ")||"\u2013"}</small>`},{name:"updated",title:r.updated,cell:({updatedAt:i})=>o`<${k} at=${i} />`}];return o`<${Z} label=${c.jobs.title} rows=${e} keyOf=${({slug:i})=>i} columns=${a} />`}var Ss=6e4,ia=e=>e&&e.ended>0?Dn(e.buckets,"durationMs").join(" / "):"\u2013";function la({trend:e}){if(!e||e.ended===0)return o`<span class="quiet">–</span>`;let{buckets:t,ended:n,failed:s,worse:r}=e,a=t.findLast(l=>l.ended>0),i=a&&C(Math.ceil((_e.value-Date.parse(a.at))/Ss)*Ss);return o`<span class="day"><${Ze} buckets=${t} />
		<small>${c.trends.day(n,s)}<br />${i&&c.trends.lastWithin(i)}</small></span>
		${r&&o`<strong class="worse">${c.trends.worse[r.what](r.factor,Q(r.since))}</strong>`}`}function ca({job:e,failing:t}){return e.paused?o`<${j} status="paused" />`:t===0?o`<${j} status="ready" label=${c.schedules.active} />`:o`<${S} to=${{view:"failures",words:[["job",e.slug]]}}>
		<${j} status="failed" label=${c.jobs.failing(t)}
	/><//>`}var Os=(e,t)=>e===""&&t.after===void 0;function As({next:e,last:t},n){return e!==null&&n-t>500?n-30:t}function js(e,t,n,s){let r=t.next===null?Math.max(t.last,s):t.last,a=n>Math.max(e.last,e.next??0)?[]:e.events;return{next:t.next,last:r,events:[...a,...t.events].slice(-500)}}var $a=50,da=1e3;function pa(){let{words:e}=T.value,t=Object.fromEntries(e),n=h(!0),s=Os(_.value,t),r=s&&n.value,a=t.after??(s?Math.max(jt.peek()-30,0):0),i=w(l=>Ms({...t,after:a},l),[JSON.stringify(e),jt.value>0]);return o`<div class="screen-head">
			<h1>${c.log.title}</h1>
			<div class="actions">
				<label class="check">
					<input type="checkbox" checked=${r} disabled=${!s}
						onChange=${({target:l})=>n.value=l.checked} />${c.log.live}</label>
			</div>
		</div>
		<${ba} given=${t} key=${JSON.stringify(e)} />
		<${O} asked=${i}>
			${l=>o`<${ma} page=${l} given=${t} asked=${i} isFollowing=${r} />`}
		<//>
		<section class="card stack">
			<${fa} />
			<p class="quiet">${c.log.verify}</p>
			<${bn} text=${c.log.verifyCommand} />
		</section>`}function fa(){let{answer:e}=w(t=>y("/events/seal",[],t),[],{everyMs:5e3});return e&&o`<p>${c.log.sealed(e.data)}</p>`}async function Ms(e,t){let n=$n(_.value),s=_.value&&n!==null?[["until",new Date(n).toISOString()]]:[],{data:r,meta:a}=await y("/events",[...Object.entries(e),["limit",$a],...s],t),l=_.value!==""&&n===null?r.filter(({position:u})=>u<=Number(_.value)):r,$=l.length<r.length;return{events:l,next:$?null:a.next,last:r.at(-1)?.position??Number(e.after)}}function ma({page:e,given:t,asked:n,isFollowing:s}){let r=async u=>{let d=ye.value.position,p=await Ms({...t,after:u});n.set(e,js(e,p,u,d))},{position:a}=ye.value,i=E(0),l=h(0);if(F(()=>{if(!s||a<=e.last||i.current===null)return;let d=setTimeout(()=>{i.current=null,r(As(e,a)).catch(()=>{}).finally(()=>{i.current=Date.now(),l.value+=1})},i.current+da-Date.now());return()=>clearTimeout(d)},[s,a,e,l.value]),e.events.length===0)return o`<${L} title=${c.log.empty} hint=${c.log.emptyHint} />`;let $=s?[...e.events].reverse():e.events;return o`<ol class="log-events">
			${$.map(u=>o`<${ha} key=${u.position} event=${u} />`)}
		</ol>
		${e.next!==null&&!s&&o`
			<${hn} text=${c.log.newer} load=${()=>r(e.next??e.last)} />
		`}`}function ha({event:e}){let{position:t,type:n,subject:s,occurredAt:r,actor:a,correlationId:i}=e,l=h(!1);return o`<li>
		<details onToggle=${({target:u})=>l.value=u.open}>
			<summary>
				<span class="position">${t}</span> <code class="event-type">${n}</code>
				<small class="id">${s.id}</small> <small><bdi>${a}</bdi> · <${k} at=${r} /></small>
			</summary>
			${l.value&&o`<div class="stack event-detail">
				<p class="group">
					${s.type==="job_run"&&o`<${S} to=${{view:"run",id:s.id}}>${c.views.run}<//>`}
					<${S} to=${{view:"log",words:[["subject",s.id],["after",0]]}}>${c.log.ofSubject}<//>
					${i&&o`<${S}
						to=${{view:"log",words:[["correlation",i],["after",0]]}}>
						${c.run.chain}
					<//>`}
					<${S} to=${{view:"overview",asOf:String(t)}}>${c.log.then}<//>
				</p>
				<${Y} value=${e} label=${c.log.show} />
			</div>`}
		</details>
	</li>`}var Gt=["type","subject","actor","after"],va={type:"job_run.started",subject:"",actor:"worker:\u2026",after:"0"};function ba({given:e}){return o`<form class="group log-filter" role="search" onSubmit=${n=>{n.preventDefault();let s=new FormData(n.target),a=Gt.map(i=>[i,String(s.get(i)).trim()]).filter(([,i])=>i!=="");U({words:e.correlation?[...a,["correlation",e.correlation]]:a})}}>
		${Gt.map(n=>o`<label key=${n}>
			${c.log[n]}
			<input name=${n} defaultValue=${e[n]??""} placeholder=${va[n]}
				data-filter=${n===Gt[0]} />
		</label>`)}
		<button>${c.log.apply}</button>
		${e.correlation&&o`<span class="tag">correlation ${e.correlation}</span>`}
	</form>`}var ga=e=>JSON.stringify({parameters:e.parameters},null,2),$t=e=>`'${e.replaceAll("'","'\\''")}'`;function Yt(e){let{origin:t,pathname:n}=new URL(".",e);return t+n.slice(0,-1)}function Es(e,t,n){return[`curl -X POST ${$t(`${Yt(t)}/jobs/${e.slug}/run`)}`,"-H 'Content-Type: application/json'",...n?['-H "Authorization: Bearer $APPHUB_TOKEN"']:[],`-d ${$t(ga(e))}`].join(` \\
  `)}function Ts(e,t){let n=`apphub-jobs run ${e.slug} --url ${$t(Yt(t))} --params -`;return`printf %s ${$t(JSON.stringify(e.parameters))} |
  ${n}`}function _s(e,t){return["from apphub_jobs import Client","",`with Client("${Yt(t)}") as client:`,`    run = client.launch("${e.slug}", ${Kt(e.parameters)})`,"    print(run.result())"].join(`
`)}function Kt(e){return e===null?"None":e===!0?"True":e===!1?"False":Array.isArray(e)?`[${e.map(Kt).join(", ")}]`:typeof e=="object"&&e?`{${Object.entries(e).map(([t,n])=>`${JSON.stringify(t)}: ${Kt(n)}`).join(", ")}}`:JSON.stringify(e)}function Rs(e){let t=new Map,n=new Map,s=[];for(let{eventId:r,type:a,subject:i,occurredAt:l,causationId:$,data:u}of e){let d=wa(a),p=t.get(i.id);if(p)p.last=d;else{let m=n.get($),v=m?.type??"";p={...i,app:u?.repository_id,at:l,last:d,cause:v,children:[]},t.set(i.id,p),(m?.subject.children??s).push(p)}n.set(r,{subject:p,type:d})}return s}var wa=e=>e.slice(e.lastIndexOf(".")+1).replaceAll("_"," ");var ya=/(^<|[\\/](site-packages|dist-packages|python3[^\\/]*|apphub_jobs)[\\/])/,ka=/^ {2}File "(?<file>[^"]+)", line (?<line>\d+), in (?<name>.+)$/;function Cs(e){let t=e.split(`
`);return t.flatMap((s,r)=>{let a=ka.exec(s)?.groups;if(!a||ya.test(a.file))return[];let i=t[r+1]??"",l=i.startsWith("    ")?i.trim():"";return[{file:a.file,line:Number(a.line),name:a.name,code:l}]}).reverse()}var Ns=e=>e.split(/[\\/]/).slice(-2).join("/");var dt=["failed","expired"],xa=50,Sa=5e3;function Is({run:e,related:t,worker:n}){let s=e.context?.stack;return o`<section class="card stack failure" aria-label=${c.run.failed.title}>
		<h2>${c.run.failed.title} <code class="quiet">${e.failureReason}</code></h2>
		${e.errorMessage&&o`<p class="error-message" tabindex="0"><code>${e.errorMessage}</code></p>`}
		<div class="cards">
			${typeof s=="string"&&o`<${Oa} stack=${s} />`}
			<${Ea} run=${e} related=${t} worker=${n} />
		</div>
		<${Aa} run=${e} />
		<div>
			<h3>${c.run.parameters}</h3>
			<${Y} value=${e.parameters} label=${c.run.parameters} />
		</div>
	</section>`}function Oa({stack:e}){let t=c.run.failed,n=Cs(e);return o`<div class="stack">
		${n.length>0&&o`<h3>${t.own}</h3>
			<ol class="frames">
				${n.map(({file:s,line:r,name:a,code:i},l)=>o`<li key=${l}>
					<span title=${s}>${Ns(s)}:${r}</span> <span class="quiet">${t.inside(a)}</span>
					${i&&o`<pre><code>${i}</code></pre>`}
				</li>`)}
			</ol>
		`}
		<details open=${n.length===0}>
			<summary>${t.traceback}</summary>
			<pre class="json" tabindex="0"><code>${e}</code></pre>
		</details>
	</div>`}function Aa({run:e}){let t=c.run.failed,n=w(s=>Ma(e,s),[e.id,e.attempt]);return o`<div>
		<h3>${t.lastLines} · <${S} to=${{view:"run",id:e.id,tab:"log"}}>${t.wholeLog}<//></h3>
		<${O} asked=${n} lines=${3}>
			${s=>s?o`<${ja} lines=${s} />`:o`<p class="quiet">${c.run.log.empty}</p>`}
		<//>
	</div>`}function ja({lines:e}){let t=E(null);return F(()=>{t.current?.scrollTo(0,t.current.scrollHeight)},[e]),o`<pre class="json" tabindex="0" ref=${t}><code><${ts} text=${e} /></code></pre>`}async function Ma({id:e,attempt:t},n){if(t===0)return"";let s=[],r=[["attempt",t],["last",xa]];for await(let{piece:a}of he(`/job-runs/${e}/logs`,r,n))s.push(a);return s.join("").trimEnd()}var zt=({worker:e})=>o`<${S} to=${{view:"runs",words:[["worker",e]]}}><code>${e}</code><//>`;function Ea({run:e,related:t,worker:n}){let s=c.run.failed;return o`<div class="stack">
		${n&&o`<p>${c.run.worker}: <${zt} worker=${n} /></p>`}
		${_.value?o`<p class="note">${c.past.notHere}</p>`:o`<${Ta} related=${t} />`}
		<p>
			<${S} to=${{view:"runs",words:[["job",e.slug],["status","failed,expired"]]}}>${s.others(e.slug)}<//>
		</p>
	</div>`}function Ta({related:e}){let t=c.run.failed;return o`<${O} asked=${e} lines=${2}>${({failureGroup:s,retries:r})=>o`
		${s&&o`<p>
			${t.group}: <${S} to=${{view:"failures",id:s.fingerprint}}>${s.title}<//>,${" "}
			<strong>${c.failures.times(s.count+s.recovered)}</strong>
			${s.recovered>0&&`, ${c.failures.recovered(s.recovered)}`}
		</p>`}
		<p>${r.length>0?t.retried:t.notRetried}</p>
		<${Zt} runs=${r} />
	`}<//>`}var Zt=({runs:e})=>e.length>0&&o`<ul class="needs">
		${e.map(({id:t,status:n,createdAt:s})=>o`<li key=${t}>
			<${I} id=${t} /> <${j} status=${n} /> <small><${k} at=${s} /></small>
		</li>`)}
	</ul>`,_a={failureGroup:null,retries:[],bulkOperation:null};function Ls(e,t){let n=e.completedAt!==null,s=_.value===""&&(n||e.context?.retryOf!==void 0);return w(async r=>s?(await y(`/job-runs/${e.id}/related`,[],r)).data:_a,[e.id,s],{newer:[t],everyMs:n?Sa:void 0})}var pt={"job_run.succeeded":"succeeded","job_run.attempt_failed":"failed","job_run.attempt_timed_out":"timed_out","job_run.attempt_lost":"lost","job_run.handed_back":"handed_back","job_run.canceled":"canceled","job_run.start_deadline_passed":"expired"},Ds=["job_run.started",...Object.keys(pt)];function Ps(e,t){let n=[],s=null,r=(a,i)=>{s&&(n.push({...s,number:n.length,to:a,outcome:i,isOpen:!1}),s=null)};for(let{type:a,data:i,occurredAt:l}of e){let $=Date.parse(l);a==="job_run.requested"?s={kind:"wait",from:$}:a==="job_run.started"?(r($),s={kind:"run",from:$,attempt:i.attempt,worker:i.worker_id}):pt[a]&&(r($,pt[a]),i.retry_at?s={kind:"backoff",from:$}:a==="job_run.handed_back"&&(s={kind:"wait",from:$}))}return s&&n.push({...s,number:n.length,to:Math.max(t,s.from),isOpen:!0}),n}var Ra=.6,Ca=.02;function Hs(e){let t=({from:u,to:d})=>Math.max(d-u,1),n=e.filter(({kind:u})=>u==="run").reduce((u,d)=>u+t(d),0),s=n>0?n*Ra:1/0,r=e.map(u=>{let d=u.kind!=="run"&&t(u)>s;return{...u,isCollapsed:d,drawn:d?s:t(u)}}),a=r.reduce((u,d)=>u+d.drawn,0),i=r.map(u=>Math.max(u.drawn/a,Ca)),l=i.reduce((u,d)=>u+d,0),$=0;return r.map(({drawn:u,...d},p)=>{let m=i[p]/l,v={...d,start:$,width:m};return $+=m,v})}function qs(e){let t=[];for(let{type:n,data:s}of e){let r=Na(n,s,t.at(-1));r&&r!==t.at(-1)&&t.push(r)}return t}function Na(e,t,n){return e==="job_run.requested"||e==="job_run.handed_back"?"pending":e==="job_run.started"?"running":e==="job_run.succeeded"?"succeeded":e==="job_run.canceled"?"canceled":e==="job_run.start_deadline_passed"?"expired":pt[e]?t.retry_at?"pending":e==="job_run.attempt_timed_out"?"expired":"failed":n}function tn({run:e,events:t,related:n}){let s=e.completedAt!==null,r=Ps(t,s?0:_e.value),a=r.filter(({kind:l})=>l==="run"),i=dt.includes(e.status);return o`
		${i&&o`<${Is} run=${e} related=${n} worker=${a.at(-1)?.worker} />`}
		<div class="story">
			<div class="stack">
				${!i&&o`<${Wa} run=${e} />`}
				<section class="card stack">
					<h2>${c.run.timeline}</h2>
					<${La} segments=${r} />
					<${Ia} attempts=${a} events=${t} known=${i?e.errorMessage:null} />
				</section>
			</div>
			<section class="card"><h2>${c.run.states}</h2><${Ha} path=${qs(t)} /></section>
		</div>
	`}function Ia({attempts:e,events:t,known:n}){if(e.length===0)return o`<p class="quiet">${c.run.noAttempts}</p>`;let s=c.run,r=new Map;for(let{data:{error_message:i},occurredAt:l}of t)i&&i!==n&&r.set(Date.parse(l),i);let a=[{name:"first",title:s.attempts,cell:({attempt:i=0})=>s.attempt(i)},{name:"status",title:c.runs.columns.status,cell:({isOpen:i,outcome:l})=>o`<${j} status=${i?"running":l} />`},{name:"took",title:c.runs.columns.took,cell:({from:i,to:l})=>C(l-i)},{name:"started",title:s.facts.started,cell:({from:i})=>o`<${k} at=${new Date(i).toISOString()} />`},{name:"worker",title:s.worker,cell:({worker:i})=>o`<${zt} worker=${i} />`},{name:"why",title:c.runs.columns.details,cell:({to:i,isOpen:l})=>l?"":r.get(i)}];return o`<${Z} label=${s.attempts} rows=${e} keyOf=${({number:i})=>i} columns=${a} />`}var Xt=1e3,Pe=44;function La({segments:e}){if(e.length===0)return null;let t=Hs(e),n=e[0].from,s=e[e.length-1].to;return o`<figure class="timeline">
		<svg viewBox="0 0 ${Xt} ${Pe}" preserveAspectRatio="none" role="img"
			aria-label=${t.map(Qt).join("; ")}>
			${t.map(r=>o`<${Da} key=${r.number} place=${r} />`)}
		</svg>
		<ul class="timeline-legend" aria-hidden="true">
			${t.map(r=>o`
				<li key=${r.number}><span class="swatch ${Fs(r)}"></span>${Qt(r)}</li>
			`)}
		</ul>
		<figcaption>
			${[n,s].map(r=>o`<${kn} key=${r} at=${new Date(r).toISOString()} />`)}
		</figcaption>
	</figure>`}function Da({place:e}){let{kind:t,start:n,width:s,isCollapsed:r}=e,a=t==="run"?Pe-8:12,i=n*Xt,l=Math.max(s*Xt-1,2);return o`<g class="segment ${Fs(e)}">
		<title>${Qt(e)}</title>
		<rect x=${i} y=${(Pe-a)/2} width=${l} height=${a} />
		${r&&o`
			<path d=${`M${i+l/2-6} 4L${i+l/2-2} ${Pe-4}M${i+l/2+2} 4L${i+l/2+6} ${Pe-4}`} />
		`}
	</g>`}function Fs({kind:e,outcome:t="",isOpen:n}){return e!=="run"?`segment-${e}`:`segment-run status-${n?"running":Ce(t)}`}function Qt({kind:e,attempt:t=0,from:n,to:s,isCollapsed:r}){let a=C(s-n);if(e==="run")return`${c.run.attempt(t)} ${c.run.ran(a)}`;let i=c.run.waited(a);return r?c.run.collapsed(i):i}var ft={pending:[62,90],running:[212,90],succeeded:[390,24],failed:[390,68],expired:[390,112],canceled:[390,156]},ce=104,en=30,Pa=[["pending","running"],["running","pending"],["running","succeeded"],["running","failed"],["running","expired"],["running","canceled"],["pending","canceled"],["pending","expired"]];function Ha({path:e}){let t=new Map;for(let n=1;n<e.length;n+=1){let s=`${e[n-1]} ${e[n]}`;t.set(s,(t.get(s)??0)+1)}return o`<svg class="diagram" viewBox="0 0 452 184" role="img" aria-label=${e.join(", ")}>
		<defs>
			${["","taken-"].map(n=>o`<marker key=${n} id=${`${n}arrow`} class=${`${n}arrow`}
				viewBox="0 0 6 6" refX="6" refY="3" markerWidth="6" markerHeight="6" orient="auto">
				<path d="M0 0L6 3L0 6z" />
			</marker>`)}
		</defs>
		${Pa.map(([n,s])=>o`
			<${Fa} key=${`${n} ${s}`} from=${n} to=${s} times=${t.get(`${n} ${s}`)??0} />
		`)}
		${Object.keys(ft).map(n=>o`
			<${qa} key=${n} status=${n} wasThere=${e.includes(n)} isThere=${e.at(-1)===n} />
		`)}
	</svg>`}function qa({status:e,wasThere:t,isThere:n}){let[s,r]=ft[e];return o`<g class="place status-${e} ${n?"is-there":t?"was-there":""}" aria-hidden="true">
		<rect x=${s-ce/2} y=${r-en/2} width=${ce} height=${en} rx="15" />
		<text x=${s} y=${r+4.5}>${e}</text>
	</g>`}function Fa({from:e,to:t,times:n}){let s=Ba(e,t);return o`<g class="way ${n>0?"was-taken":""}" aria-hidden="true">
		<path d=${s} marker-end=${n>0?"url(#taken-arrow)":"url(#arrow)"} />
		${n>1&&o`<text x="137" y=${e==="pending"?76:114}>${n} ×</text>`}
	</g>`}function Ba(e,t){let[n,s]=ft[e],[r,a]=ft[t];return e==="pending"&&t==="running"?`M${n+ce/2} ${s-5}H${r-ce/2}`:t==="pending"?`M${n-ce/2} ${s+5}H${r+ce/2}`:e==="pending"?`M${n} ${s+en/2}Q${n} ${a+8} ${n+80} ${a+8}H${r-ce/2}`:`M${n+ce/2} ${s}C${n+90} ${s} ${r-90} ${a} ${r-ce/2} ${a}`}var Ua=3e3;function Wa({run:e}){let t=e.status==="pending"?Ua:void 0,n=w(s=>y(`/job-runs/${e.id}/explain`,R.value,s),[e.id],{newer:[Se(e.updatedAt)],everyMs:t});return o`<section class="card explanation">
		<h2>${e.completedAt?c.run.outcome:c.run.explain}</h2>
		<${O} asked=${n} lines=${2}>${({data:s})=>o`<${Ja} explanation=${s} hasEnded=${e.completedAt!==null} />`}<//>
	</section>`}function Ja({explanation:e,hasEnded:t}){let{status:n,summary:s,reasons:r,nextChangeAt:a,unknown:i}=e,l=n==="pending"&&r.some(({binding:$})=>$);return o`
		${!l&&o`<p class="summary">${t?s:o`<${Mt} text=${s} />`}</p>`}
		${r.length>0&&o`<ul class="stack">
			${r.map($=>o`<${Va} key=${$.code} reason=${$} hasEnded=${t} />`)}
		</ul>`}
		${a&&o`<p class="quiet">${c.run.until} <${k} at=${a} /></p>`}
		${i.map($=>o`<p class="note" key=${$}>${$}</p>`)}
	`}function Va({reason:e,hasEnded:t}){let{code:n,message:s,binding:r,since:a}=e;return o`<li class=${r?"reason is-binding":"reason"}>
		${r&&o`<${K} name="next" label=${c.run.binding} />`}
		<span>${t?s:o`<${Mt} text=${s} />`} <code class="quiet">${n}</code> ${a&&o`<small><${k} at=${a} /></small>`}</span>
	</li>`}var Bs={story:tn,log:es,events:ii,causes:ci,data:di};function Ga(){let{id:e}=T.value,t=w(async n=>(await y(`/job-runs/${e}`,R.value,n)).data,[e]);return o`<${O} asked=${t} lines=${8} list="runs">
		${({run:n,job:s})=>o`<${Ka} asked=${n} job=${s} />`}
	<//>`}function Ka({asked:e,job:t}){let n=te(()=>[e],[e]),[s]=X(n,"runs",({id:d})=>d),r=Se(s.updatedAt),a=Ls(s,r),i=w(d=>za(s.id,d),[s.id],{newer:[r]}),{tab:l}=T.value,$=E(s.status);F(()=>{$.current!==s.status&&W(c.run.isNow(s.status)),$.current=s.status},[s.status]);let u=Bs[l]??tn;return o`
		<div class="screen-head">
			<div>
				<p class="quiet"><${z} slug=${s.slug}>${t.name}<//></p>
				<h1 class="run-title"><${j} status=${s.status} /> <span class="id">${s.id}</span></h1>
			</div>
			<${ti} run=${s} />
		</div>
		<${Ya} run=${s} />
		${s.errorMessage&&!dt.includes(s.status)&&o`
			<p class="error-message" tabindex="0"><code>${s.errorMessage}</code></p>
		`}
		<${Za} run=${s} related=${a.answer} />
		<${Je} tabs=${c.run.tabs} current=${Bs[l]?l:"story"} />
		<${O} asked=${i}>
			${d=>o`<${u} run=${s} events=${d} related=${a} />`}
		<//>
	`}function Ya({run:e}){let t=e.metrics?.progress;return e.status!=="running"||typeof t!="number"?null:o`<progress max="1" value=${t} aria-label=${c.run.progress}></progress>`}async function za(e,t){let{data:n,meta:s}=await y(`/job-runs/${e}/events`,[["limit",mt]],t),r=[["subject",e],["type",Ds.join()],["after",n.at(-1)?.position],["limit",mt]],a=s.nextCursor?(await y("/events",r,t)).data:[];return[...n,...a].filter(Te)}function Za({run:e,related:t}){let n=c.run.facts,s=a=>o`<${k} at=${a} full />`,r=[[n.created,s(e.createdAt)],e.scheduledAt!==e.createdAt&&[n.due,s(e.scheduledAt)],e.startedAt&&[n.started,s(e.startedAt)],e.completedAt&&[n.completed,s(e.completedAt)],e.startedAt&&[c.runs.columns.took,o`<${xe} from=${e.startedAt} to=${e.completedAt} ms=${e.durationMs} />`],[n.attempts,c.runs.attemptOf(e.attempt,e.maxAttempts)],[n.by,e.requestedBy],e.failureReason&&[n.failure,o`<code>${e.failureReason}</code>`],e.timeoutMs&&[n.timeout,C(e.timeoutMs)],e.priority!==0&&[n.priority,e.priority],e.context?.retryOf&&[n.retryOf,o`<${I} id=${e.context.retryOf} />`],e.context?.rerunOf&&[c.jobs.rerunOf,o`<${I} id=${e.context.rerunOf} />`],t?.bulkOperation&&[n.bulk,o`<${Qa} ...${t.bulkOperation} />`],t?.retries.length&&[n.repeated,o`<${Zt} runs=${t.retries.slice(0,Xa)} />`],e.idempotencyKey&&[n.key,o`<code>${e.idempotencyKey}</code>`]];return o`<dl class="facts card">
		${r.filter(Array.isArray).map(([a,i])=>o`<div key=${a}><dt>${a}</dt><dd>${i}</dd></div>`)}
	</dl>`}var Xa=3,Qa=({id:e,action:t,reason:n})=>o`<${S} to=${{view:"bulk",id:e}}>${c.bulk.title(t)}<//> · <bdi>${n}</bdi>`,ei=["pending","running"];function ti({run:e}){let t=h(!1),n=E(se()),s=ei.includes(e.status);return o`<div class="actions">
		${_.value&&o`<span class="quiet">${c.past.noActions}</span>`}
		${M.value&&s&&o`
			<button class="danger" disabled=${e.cancelRequestedAt!==null} onClick=${()=>ni(e)}>${c.run.cancel} …</button>
		`}
		${M.value&&!s&&o`<button onClick=${()=>si(e,n)}>${c.run.retry}</button>`}
		${M.value&&o`<button onClick=${()=>t.value=!0}>${c.run.rerun} …</button>`}
		<${ai} run=${e} />
		${t.value&&o`<${ri} run=${e} onClose=${()=>t.value=!1} />`}
	</div>`}function ni(e){let t=c.run,n={title:`${t.cancel} ${e.slug}`,text:t.cancelText,action:t.cancel};return Ue(n,`/job-runs/${e.id}/cancel`,t.canceled)}async function si(e,t){let n=await D(()=>N(`/job-runs/${e.id}/retry`,void 0,{"Idempotency-Key":t.current}));n&&(t.current=se(),B({view:"run",id:n.data.id}))}function ri({run:e,onClose:t}){let n=w(async s=>{let[r,a]=await Promise.all([y(`/jobs/${e.slug}`,[["limit",1]],s),y(`/job-runs/${e.id}/events`,[["limit",1]],s)]);return{job:r.data.job,origin:{...e,startDeadlineMs:oi(a.data[0])}}},[]);return o`<${Be} title=${c.run.rerun} onClose=${t} className="wide">
		<${O} asked=${n}>
			${s=>o`<${ct} ...${s} onLaunched=${t} />`}
		<//>
	<//>`}function oi(e){let{start_deadline_at:t,scheduled_at:n}=e?.data??{};return t&&n?Date.parse(t)-Date.parse(n):null}function ai({run:e}){let t=document.baseURI,n={curl:Es(e,t,un()!==""),CLI:Ts(e,t),Python:_s(e,t)};return o`<details class="menu">
		<summary>${c.run.copyAs}</summary>
		<div class="menu-box stack">
			${Object.entries(n).map(([s,r])=>o`<div key=${s}>
				<h3>${s}</h3>
				<div class="with-copy">
					<${vn} text=${r} label=${c.copyOf(s)} />
					<pre class="json"><code>${r}</code></pre>
				</div>
			</div>`)}
		</div>
	</details>`}var mt=500;function ii({events:e}){let t=new Map(e.map(n=>[n.eventId,n]));return o`${e.length>=mt&&o`<p class="note">${c.ofFirst(mt)}</p>`}<ol class="events">
		${e.map(n=>o`
			<${li} key=${n.position} event=${n} cause=${t.get(n.causationId)} />
		`)}
	</ol>`}function li({event:e,cause:t}){let{type:n,position:s,occurredAt:r,actor:a,causationId:i,correlationId:l,data:$}=e,u=c.run.events;return o`<li class="card">
		<header>
			<h2><code>${n.replace("job_run.","")}</code></h2>
			<span class="quiet">
				<${k} at=${r} full /> · ${u.position}${" "}
				<${S} to=${{view:"log",words:[["after",s-1]]}}>${s}<//>
			</span>
		</header>
		<p class="quiet">
			${c.log.actor} ${a??c.none} · ${u.cause}:${" "}
			${t?o`<code>${t.type}</code>, ${t.position}`:o`<code>${i??c.none}</code>`}
			${l&&o`
				${" \xB7 "}<${S} to=${{view:"log",words:[["correlation",l],["after",0]]}}>${c.run.chain}<//>
			`}
		</p>
		<details><summary>${u.data}</summary><${Y} value=${$} label=${u.data} /></details>
	</li>`}var Us=500;function ci({run:e,events:t}){let n=t[0]?.correlationId,s=w(async r=>n?y("/events",[["correlation",n],["limit",Us]],r):{data:t},[n],{newer:[e.status]});return o`<section class="card stack">
		<p class="quiet">${c.run.causesHint}</p>
		<${O} asked=${s}>
			${({data:r,meta:a})=>o`
				${a?.next&&o`<p class="note">${c.ofFirst(Us)}</p>`}
				<${Ws} subjects=${Rs(r.filter(Te))} current=${e.id} />
			`}
		<//>
	</section>`}function Ws({subjects:e,current:t}){return o`<ul class="tree">
		${e.map(n=>o`<li key=${n.id}>
			<${ui} subject=${n} isCurrent=${n.id===t} />
			${n.children.length>0&&o`<${Ws} subjects=${n.children} current=${t} />`}
		</li>`)}
	</ul>`}function ui({subject:e,isCurrent:t}){let{type:n,id:s,app:r,at:a,last:i,cause:l}=e,$=n==="job_run"?{view:"run",id:s}:r&&{view:"app",id:r},u=o`${n.replaceAll("_"," ")} <span class="id">${de(s)}</span>`;return o`<span class=${t?"is-current":""} aria-current=${t?"true":void 0}>
			${$&&!t?o`<${S} to=${$}>${u}<//>`:u}
		</span>${" "}
		<span class="tag">${i}</span>${" "}
		<small>${l&&`${c.run.causedBy(l)} \xB7 `}<${k} at=${a} /></small>`}var $i=["parameters","result","metrics","context"];function di({run:e}){let{compare:t}=T.value;return o`<div class="cards pairs">
			${$i.map(n=>o`<section class="card" key=${n}>
				<h2>${c.run[n]}</h2>
				<${Y} value=${e[n]} label=${c.run[n]} />
			</section>`)}
		</div>
		<section class="card stack">
			<h2>${c.run.compare}</h2>
			<${pi} />
			${t&&o`<${fi} run=${e} other=${t} key=${t} />`}
		</section>`}function pi(){let e=h(T.value.compare);return o`<form class="group" onSubmit=${n=>{n.preventDefault(),U({compare:e.value.trim()},{replace:!0})}}>
		<input class="id-input" aria-label=${c.run.compareId} placeholder=${c.run.compareId} value=${e.value}
			onInput=${H(e)} />
		<button>${c.run.compareGo}</button>
	</form>`}function fi({run:e,other:t}){let n=w(s=>y(`/job-runs/${t}`,R.value,s),[t]);return o`<${O} asked=${n}>
		${({data:s})=>o`<${mi} found=${Lt(e,s.run)} />`}
	<//>`}function mi({found:e}){return e.length===0?o`<p>${c.run.same}</p>`:o`<${We} found=${e} />`}var hi={ArrowDown:1,ArrowUp:-1};function Js({words:e,setWords:t}){let n=h(""),s=h(-1),r=h(!1),a=E(null),i=Ge(),l=n.value.split(/\s+/).at(-1)??"",$=r.value?Mn(l,bi(i)):[],u=f=>{n.value="",s.value=-1,t(Ye(f).reduce(ze,e))},d=f=>{let x=n.value.slice(0,n.value.length-l.length);/[^=]$/.test(f)?u(x+f):n.value=x+f,s.value=-1,a.current?.focus()},p=(f,x)=>{f.preventDefault(),d(x)},m=f=>{let x=hi[f.key];x&&$.length>0?(f.preventDefault(),s.value=Math.min(Math.max(s.value+x,-1),$.length-1)):f.key==="Enter"?(f.preventDefault(),$[s.value]?d($[s.value]):u(n.value)):f.key==="Escape"?(r.value=!1,s.value=-1):f.key==="Backspace"&&n.value===""&&e.length>0&&t(_t(e,e.length-1))},v=f=>{n.value=f.target.value,s.value=-1,r.value=!0};return o`<div class="filter" role="search">
		<div class="filter-box">
			<${K} name="filter" />
			${e.map((f,x)=>o`
				<${vi} key=${Tt(f)} word=${f} remove=${()=>t(_t(e,x))} />
			`)}
			<input ref=${a} data-filter role="combobox" aria-label=${c.runs.filter}
				aria-expanded=${$.length>0} aria-controls="filter-found" aria-autocomplete="list"
				aria-activedescendant=${s.value>=0?`filter-${s.value}`:void 0} autocomplete="off"
				placeholder=${e.length===0?c.runs.prompt:""}
				value=${n.value} onInput=${v} onKeyDown=${m} onFocus=${()=>r.value=!0}
				onBlur=${()=>r.value=!1} />
			${e.length>0&&o`<button
				class="plain" onClick=${()=>t([])} aria-label=${c.runs.clear} title=${c.runs.clear}>
				<${K} name="close" />
			</button>`}
		</div>
		<ul role="listbox" id="filter-found" class="filter-found" aria-label=${c.runs.filter}
			hidden=${$.length===0}>
			${$.map((f,x)=>o`<li role="option" key=${f}
				id=${`filter-${x}`} aria-selected=${x===s.value}
				onMouseDown=${b=>p(b,f)}>
				${f}
			</li>`)}
		</ul>
	</div>`}function vi({word:e,remove:t}){let n=Tt(e);return o`<span class="chip ${e[0].endsWith("!")?"is-negated":""}">
		${n}
		<button class="plain" onClick=${t} aria-label=${c.runs.remove(n)}><${K} name="close" /></button>
	</span>`}function bi(e){let t=e.flatMap(({parametersSchema:n})=>Object.keys(n?.properties??{}));return{jobs:e.map(({slug:n})=>n),parameters:[...new Set(t)].sort()}}var Vs="created";function Gs({words:e,sort:t}){let n=h(!1),s=E(null),r=i=>{U(i),n.value=!1,s.current?.focus()},a=({target:i})=>n.value=i.open;return o`<details class="menu" open=${n.value} onToggle=${a}>
		<summary ref=${s}>${c.savedViews.title}</summary>
		<div class="menu-box stack">${n.value&&o`<${gi} words=${e} sort=${t} open=${r} />`}</div>
	</details>`}function gi({words:e,sort:t,open:n}){let s=w(a=>y("/views",R.value,a),[]);P("views",s.again);let r=a=>ve.value=ve.value.filter(([i])=>i!==a);return o`
		<${O} asked=${s} lines=${2}>
			${({data:a})=>a.length>0&&o`
				<h2>${c.savedViews.everybodys}</h2>
				<ul class="saved-views">
					${a.map(i=>o`<${wi} key=${i.name} view=${i} open=${n} again=${s.again} />`)}
				</ul>
			`}
		<//>
		${ve.value.length>0&&o`
			<h2>${c.savedViews.mine}</h2>
			<ul class="saved-views">
				${ve.value.map(([a,i,l=""])=>o`<li key=${a}>
					<button class="plain" title=${i} onClick=${()=>n({words:Ye(i),sort:l})}>
						<bdi>${a}</bdi>
					</button>
					<${Ks} label=${c.savedViews.forget(a)} remove=${()=>r(a)} />
				</li>`)}
			</ul>
		`}
		<${yi} shared=${s.answer?.data??[]} words=${e} sort=${t} again=${s.again} />
	`}function wi({view:e,open:t,again:n}){let{name:s,filter:r,sort:a,savedBy:i,updatedAt:l}=e,$=jn(r),u={words:$,sort:a===Vs?"":a},d=async()=>{let p={title:c.savedViews.remove(s),text:c.savedViews.removeHint,action:c.savedViews.go};await ie(p)&&(await D(()=>ae("DELETE",Ys(s)),c.savedViews.isDeleted(s)),n())};return o`<li>
		<button class="plain" title=${Et($)} onClick=${()=>t(u)}><bdi>${s}</bdi></button>
		<small><bdi>${i}</bdi> · <${k} at=${l} /></small>
		${M.value&&o`<${Ks} label=${c.savedViews.remove(s)} remove=${d} />`}
	</li>`}var Ks=({label:e,remove:t})=>o`<button class="plain" aria-label=${e} title=${e} onClick=${t}><${K} name="close" /></button>`;function yi({shared:e,words:t,sort:n,again:s}){let r=h(""),a=h(!1),i=d=>{let p=ve.value.filter(([m])=>m!==d);return ve.value=[...p,[d,Et(t),n]],!0},l=async d=>{let p=e.find(x=>x.name===d),m={title:c.savedViews.replace(d),text:c.savedViews.replaceHint,action:c.savedViews.goOn};if(p&&!await ie(m))return!1;let v={filter:An(t),sort:n||Vs},f=await D(()=>ae("PUT",Ys(d),v));return s(),f!==void 0},$=({target:d})=>a.value=d.value==="all";return o`<form class="group" onSubmit=${async d=>{d.preventDefault();let p=r.value.trim();await(M.value&&a.value?l:i)(p)&&(W(c.savedViews.isSaved(p)),r.value="")}}>
		<input
			required maxlength="100" pattern=".*\\S.*" aria-label=${c.savedViews.name} placeholder=${c.savedViews.name}
			value=${r.value} onInput=${H(r)} />
		${M.value&&o`<select
			aria-label=${c.savedViews.whose} value=${a.value?"all":"me"} onChange=${$}>
			<option value="me">${c.savedViews.forMe}</option>
			<option value="all">${c.savedViews.forEverybody}</option>
		</select>`}
		<button disabled=${t.length===0&&!n}>${c.savedViews.save}</button>
	</form>`}var Ys=e=>`/views/${encodeURIComponent(e)}`;var ki=50,zs=1e3;async function ht({words:e,sort:t},n,s){let r=ye.peek().recent.runs,a=[...e,...R.value,["sort",t],["limit",ki]],{rows:i,next:l}=await ue("/job-runs",a,n,s);return{rows:i.map(({run:$})=>$),next:l,known:r}}async function xi(e,t,n){let s=await ht(e,null,n);if(!t||s.rows.length===0)return s;if(s.rows[0].id!==t.newest&&!e.sort){let r=await Oi(t.newest,n);r!==null&&(s={...await ht(e,r,n),hasNewer:!0})}for(;s.next!==null&&s.rows.length<Math.min(t.count,Si);){let{rows:r,next:a}=await ht(e,s.next,n);s={...s,rows:[...s.rows,...r],next:a}}return{...s,stand:t}}var Si=1e3;async function Oi(e,t){try{let{data:n}=await y(`/job-runs/${e}/events`,[["limit",1]],t);return n[0].position+1}catch(n){if(G(n).status===404)return null;throw n}}function Ai(){let{words:e,sort:t}=T.value,n=JSON.stringify([e,t]),s=w(i=>xi({words:e,sort:t},pn(),i),[n]),r=h(new Set),a=i=>U({words:i});return F(()=>{r.value=new Set},[n,_.value]),o`
		<div class="screen-head">
			<h1>${c.runs.title}</h1>
			<div class="actions">
				<${Gs} words=${e} sort=${t} />
				<${S} to=${{view:"bulk"}}>${c.views.bulk}<//>
			</div>
		</div>
		<${Js} words=${e} setWords=${a} />
		<${_i} words=${e} setWords=${a} />
		<div class="list-controls">
			<${Ni} words=${e} selected=${r} />
			<${Ri} sort=${t} />
		</div>
		<${O} asked=${s} lines=${10}>
			${i=>o`
				<${ji} page=${i} asked=${s} words=${e} sort=${t} selected=${r} key=${n+_.value} />
			`}
		<//>
	`}function ji({page:e,asked:t,words:n,sort:s,selected:r}){let a=X(e.rows,"runs",d=>d.id),i=te(()=>o`<${le} runs=${a} sort=${s} selected=${M.value?r:void 0} />`,[a,M.value]),l=Mi(e,t.isOld),$=()=>{fn(),t.again()};F(()=>{r.value=new Set(e.rows.map(({id:d})=>d).filter(d=>r.value.has(d)))},[e]);let u=!s&&o`<${Ei} page=${e} words=${n} show=${$} />`;return a.length===0?o`${u}<${Ti} words=${n} />`:o`
		${u}
		<div ref=${l}>${i}</div>
		<${$e} asked=${t} load=${d=>ht({words:n,sort:s},d)} text=${c.older} />
	`}function Mi(e,t){let n=E(null),s=E({page:e,isOld:t});return s.current={page:e,isOld:t},F(()=>dn(()=>{let{page:{rows:r},isOld:a}=s.current;return a||!n.current?null:{newest:r[0].id,count:r.length,top:n.current.getBoundingClientRect().top}}),[]),me(()=>{e.stand&&!t&&n.current&&scrollBy(0,n.current.getBoundingClientRect().top-e.stand.top)},[e.stand,t]),n}function Ei({page:e,words:t,show:n}){let{known:s}=e,r=h({known:s,ids:new Set});r.value.known!==s&&(r.value={known:s,ids:new Set});let a=ye.value.recent.runs;F(()=>{let{ids:u}=r.value;if(a===s||_.value!==""||u.size>=zs)return;let d=new Set(e.rows.map(f=>f.id)),p=e.rows[0]?.createdAt??"",v=[...a.values()].filter(f=>f.createdAt>=p&&s.get(f.id)!==f&&!d.has(f.id)&&En(t,f)).filter(({id:f})=>!u.has(f));v.length>0&&(r.value={known:s,ids:new Set([...u,...v.map(({id:f})=>f)])})},[a,e]);let i=r.value.ids.size;if(i===0&&!e.hasNewer)return null;let l=e.hasNewer?c.runs.newest:c.runs.fresh(i),$=i<zs?l:c.runs.manyFresh;return o`<p class="pager"><button class="pill" onClick=${n}>${$}</button></p>`}function Ti({words:e}){return e.length>0?o`<${L} title=${c.runs.noMatch} hint=${c.runs.noMatchHint}>
		<button onClick=${()=>U({words:[]})}>${c.runs.clear}</button>
	<//>`:_.value?o`<${L} title=${c.runs.noneThen}>
		<button onClick=${()=>U({asOf:""})}>${c.past.back}</button>
	<//>`:o`<${L} title=${c.runs.empty} hint=${c.runs.emptyHint} command=${c.runs.emptyCommand} />`}function _i({words:e,setWords:t}){let n=Sn(),s=(e.find(([i])=>i==="status")?.[1]??"").split(",").filter(Boolean),r=e.every(([i])=>i==="status"),a=i=>{let l=s.includes(i)?s.filter(u=>u!==i):[...s,i],$=e.filter(([u])=>u!=="status");t(l.length>0?ze($,["status",l.join(",")]):$)};return o`<div class="status-filter" role="group" aria-label=${c.runs.columns.status}>
		${Ke.map(i=>o`<button
			key=${i} class="status status-${i}" aria-pressed=${s.includes(i)}
			onClick=${()=>a(i)}>
			<${K} name=${i} />${i}
			${r&&n&&o`<span class="count">${ke(n[i])}</span>`}
		</button>`)}
	</div>`}function Ri({sort:e}){let t=({target:n})=>U({sort:n.value});return o`<label class="inline">${c.runs.sort}
		<select value=${e} onChange=${t}>
			${Object.entries(c.runs.orders).map(([n,s])=>o`<option key=${n} value=${n}>${s}</option>`)}
		</select>
	</label>`}var Ci=4;function Ni({words:e,selected:t}){let n=h("");if(!M.value)return null;let s=t.value.size;return o`<div class="selection">
		${s>0?o`<span>${c.runs.selected(s)}</span><${Li} selected=${t} />`:o`<span>${c.runs.allMatching}:</span>
			${Ii.map(r=>o`
				<button key=${r} onClick=${()=>n.value=r}>${c.bulk.actions[r]} …</button>
			`)}`}
		${n.value&&o`
			<${Xe} action=${n.value} words=${e} onClose=${()=>n.value=""} />
		`}
	</div>`}var Ii=["cancel","retry","rerun"];function Li({selected:e}){let t=async n=>{let s=[...e.value],r=await ie({title:c.bulk.title(n),text:c.runs.selected(s.length),action:c.bulk.go(c.bulk.actions[n],s.length),asksReason:n==="cancel"});if(!r)return;let a=n==="cancel"&&r.reason?{reason:r.reason}:void 0,i=await Di(s,l=>N(`/job-runs/${l}/${n}`,a));e.value=new Set,i.length>0&&W(i.slice(0,3).join(`
`),{isWrong:!0})};return o`
		<button class="danger" onClick=${()=>t("cancel")}>${c.bulk.actions.cancel} …</button>
		<button onClick=${()=>t("retry")}>${c.bulk.actions.retry} …</button>
		<button class="plain" onClick=${()=>e.value=new Set}>${c.runs.clearSelection}</button>
	`}async function Di(e,t){let n=[...e],s=[],r=async()=>{for(let a=n.shift();a!==void 0;a=n.shift())try{await t(a)}catch(i){s.push(c.bulk.one(a,G(i).message))}};return await Promise.all(Array.from({length:Ci},r)),s}var He={d:864e5,h:36e5,min:6e4,s:1e3},Zs=Object.keys(He).reverse();function qe(e){let t=Object.keys(He).find(n=>e%He[n]===0&&e>0)??"s";return{amount:String(e/He[t]),unit:t}}var nn=({amount:e,unit:t})=>e===""?null:Math.round(Number(e)*He[t]),Xs="0 3 * * *",Qs={amount:"1",unit:"h"},er=e=>({id:"",job:"",rhythm:"cron",cron:Xs,every:Qs,timeZone:e,exclude:"",overlap:"skip",catchUp:qe(6e4),jitter:qe(0),startAt:"",endAt:"",pauseOnFailure:!1,parameters:{typed:void 0,raw:null}}),sn=e=>({id:e.id,job:e.job,rhythm:e.everyMs===null?"cron":"every",cron:e.cron??Xs,every:e.everyMs===null?Qs:qe(e.everyMs),timeZone:e.timeZone,exclude:e.exclude.join(`
`),overlap:e.overlap,catchUp:qe(e.catchUpMs),jitter:qe(e.jitterMs),startAt:e.startAt??"",endAt:e.endAt??"",pauseOnFailure:e.pauseOnFailure,parameters:{typed:e.parameters,raw:null}});function vt(e){let t=e.rhythm==="cron";return{...e.id&&{id:e.id},...e.job&&{job:e.job},cron:t?e.cron:null,everyMs:t?null:nn(e.every),timeZone:e.timeZone,exclude:e.exclude.split(`
`).map(n=>n.trim()).filter(Boolean),overlap:e.overlap,catchUpMs:nn(e.catchUp),jitterMs:nn(e.jitter),startAt:e.startAt||null,endAt:e.endAt||null,pauseOnFailure:e.pauseOnFailure}}function tr(e,{id:t,...n}){let s=e,r=([a,i])=>JSON.stringify(i)!==JSON.stringify(s[a]);return Object.fromEntries(Object.entries(n).filter(r))}function nr(e){let[,t,n,s]=/^(\S{10})T(\d\d:\d\d:\d\d)(?:\.\d+)?(.+)$/.exec(e)??[];return`${new Date(`${t}T00:00:00Z`).toUTCString().slice(0,3)} ${t} ${n} ${s}`}var Pi=["Sunday","Monday","Tuesday","Wednesday","Thursday","Friday","Saturday","Sunday"];function Ae({cron:e,everyMs:t,timeZone:n}){let s=c.schedules;if(t)return s.every(C(t));let r=n==="UTC"?"":` ${s.zone(n)}`,a=e??"";return(Hi(a)??a)+r}function Hi(e){let t=e.trim().split(/\s+/);if(t.length!==5)return null;let[n,s,r,a,i]=t,l=c.schedules,$=r==="*"&&a==="*",u=/^\*\/(\d+)$/.exec(n);if(u&&s==="*"&&$&&i==="*")return l.every(`${u[1]} min`);if(e==="* * * * *")return l.every("1 min");if(!/^\d+$/.test(n)||!$)return null;if(s==="*"&&i==="*")return`${l.every("1 h")}, ${l.at(`:${n.padStart(2,"0")}`)}`;if(!/^\d+$/.test(s))return null;let d=l.at(`${s.padStart(2,"0")}:${n.padStart(2,"0")}`);return i==="*"?`${l.daily} ${d}`:i==="1-5"?`${l.weekdays} ${d}`:/^[0-7]$/.test(i)?`${l.every(Pi[Number(i)])} ${d}`:null}var qi=["skip","buffer_one","buffer_all","cancel_other","terminate_other","allow_all"],bt=new Map;function Fi(e){let t=e?.id??"",n=bt.get(t),s=n&&Bi(n)&&n.before?.version!==e?.version;if(n&&!s)return n;let{timeZone:r}=Intl.DateTimeFormat().resolvedOptions(),a={draft:Fe(e?sn(e):er(r)),before:e};return bt.set(t,a),a}var Bi=({draft:e,before:t})=>t&&JSON.stringify(e.value)===JSON.stringify(sn(t));function wt({schedule:e}){let t=c.schedules.form,n=e?.id??"",{draft:s,before:r}=Fi(e),a=h({message:"",issues:[]}),i=Ge(),l=s.value.job||i.length===0?s.value:{...s.value,job:i[0].slug},$=Ji(l),u=[...a.value.issues,...$.error?.issues??[]],d=f=>{s.value={...l,...f};let x=Object.keys(f).map(A=>`/${Ui[A]??A}`),b=({path:A})=>x.every(J=>A!==J&&!A.startsWith(`${J}/`));a.value={message:"",issues:a.value.issues.filter(b)}},p=()=>{bt.delete(n),B(e?{view:"schedule",id:n}:{view:"schedules"})},m=async f=>{f.preventDefault();let x=i.find(({slug:A})=>A.toLowerCase()===l.job.toLowerCase()),b=ut(l.parameters,x);try{if(!b)throw new Error(c.jobs.badJson);let A=await Wi(r,{...vt(l),parameters:b});bt.delete(n),W(t.saved(A.id)),B({view:"schedule",id:A.id})}catch(A){let{code:J,message:oe,issues:ee=[]}=G(A);a.value={message:oe,issues:J==="schedule_exists"?[{path:"/id",message:oe}]:ee},Bt(f.target)}},v={draft:l,issues:u,set:d};return o`<form class="stack" onSubmit=${m} noValidate>
		${e?.owner&&o`<p class="note">${t.owned(e.owner)}</p>`}
		${e&&e.version!==r?.version&&o`<p class="note" role="status">${t.newer(e.version)}</p>`}
		<div class="cards">
			<section class="card stack"><h2>${t.what}</h2><${Gi} ...${v} jobs=${i} isNew=${!e} isWrong=${a.value.message===c.jobs.badJson} /></section>
			<section class="card stack"><h2>${c.schedules.columns.when}</h2><${Ki} ...${v} /></section>
			<div class="stack">
				<section class="card stack"><h2>${t.next}</h2><${Vi} draft=${l} ...${$} /></section>
				<section class="card stack"><h2>${t.rules}</h2><${zi} ...${v} /></section>
			</div>
		</div>
		${a.value.message&&o`<p class="problem" role="alert">${a.value.message}</p>`}
		<div class="actions">
			<button class="main">${e?t.save:c.schedules.create}</button>
			<button type="button" onClick=${p}>${t.discard}</button>
		</div>
	</form>`}var Ui={rhythm:"cron",every:"everyMs",catchUp:"catchUpMs",jitter:"jitterMs"};async function Wi(e,t){if(!e)return(await N("/schedules",t)).data;let n=tr(e,t);return(await ae("PATCH",`/schedules/${e.id}`,n)).data}function Ji(e){let t=Se(JSON.stringify(vt(e))),{answer:n,error:s}=w(()=>N("/schedules/preview",JSON.parse(t)),[t]);return{ticks:n?.data,error:s}}function Vi({draft:e,ticks:t,error:n}){return o`<div class="stack" role="status">
		<p>${Ae(vt(e))}</p>
		${n&&o`<p class="problem">${n.message||c.errors.unreachable}</p>`}
		${t&&o`<${on} ticks=${t} />`}
	</div>`}function on({ticks:e}){let t=c.schedules.form;return e.length===0?o`<p class="note">${t.never}</p>`:o`<ol class="coming">
		${e.map(({dueAt:n,firesAt:s,isExcluded:r})=>o`<li key=${n}>
			<time datetime=${n}>${nr(n)}</time>${" "}
			${r&&o`<span class="tag">${c.schedules.excluded}</span>`}
			${Date.parse(s)>Date.parse(n)&&o`<small>${t.late(C(Date.parse(s)-Date.parse(n)))}</small>`}
		</li>`)}
	</ol>`}function Gi({draft:e,issues:t,set:n,jobs:s,isNew:r,isWrong:a}){let i=c.schedules.form,l=u=>({target:d})=>n({[u]:d.value}),$=s.find(({slug:u})=>u.toLowerCase()===e.job.toLowerCase());return o`
		${r&&o`<${pe} name="id" title=${i.name} hint=${i.nameHint} issues=${t}>
			${u=>o`<input ...${u} required maxlength="100" value=${e.id} onInput=${l("id")} />`}
		<//>`}
		<${pe} name="job" title=${c.views.job} issues=${t}>
			${u=>o`<select ...${u} value=${$?.slug} onChange=${l("job")}>
				${!$&&e.job&&o`<option>${e.job}</option>`}
				${s.map(({slug:d})=>o`<option key=${d} value=${d}>${d}</option>`)}
			</select>`}
		<//>
		${$&&o`<fieldset>
			<legend>${c.run.parameters}</legend>
			<${Ut} key=${$.slug} job=${$} draft=${e.parameters} issues=${t} isWrong=${a}
				onChange=${u=>n({parameters:u})} />
			${gt(t,"parameters").map(u=>o`<p class="problem" key=${u}>${u}</p>`)}
		</fieldset>`}
	`}function Ki({draft:e,issues:t,set:n}){let s=c.schedules.form,r=e.rhythm==="cron",a=(u,d)=>o`<label class="check">
		<input type="radio" name="rhythm" checked=${e.rhythm===u} onChange=${()=>n({rhythm:u})} />${d}
	</label>`,i=u=>d=>n({[u]:d}),l=u=>({target:d})=>i(u)(d.value),$=u=>d=>o`<${Wt} common=${d} value=${e[u]} set=${l(u)} onChange=${i(u)} />`;return o`
		<div class="group" role="radiogroup" aria-label=${c.schedules.columns.when}>
			${a("cron",s.byCron)}${a("every",s.byInterval)}
		</div>
		${r?o`<${pe} name="cron" title=${s.cron} hint=${s.cronHint} issues=${t}>
				${u=>o`<input ...${u} class="id" value=${e.cron} onInput=${l("cron")} />`}
			<//>`:o`<${rn} name="everyMs" also="cron" title=${s.every} value=${e.every} issues=${t}
				onChange=${i("every")} />`}
		<${pe} name="timeZone" title=${c.schedules.timeZone} hint=${r?"":s.zoneOfInterval} issues=${t}>
			${u=>o`<input ...${u} list="time-zones" value=${e.timeZone} onInput=${l("timeZone")} />
				<datalist id="time-zones">${Yi().map(d=>o`<option key=${d}>${d}</option>`)}</datalist>`}
		<//>
		<${pe} name="startAt" title=${s.start} hint=${r?"":s.startOfInterval} issues=${t}>
			${$("startAt")}
		<//>
		<${pe} name="endAt" title=${s.end} issues=${t}>
			${$("endAt")}
		<//>
		<${pe} name="exclude" title=${s.exclude} hint=${s.excludeHint} issues=${t}>
			${u=>o`
				<textarea ...${u} class="growing" rows="2" value=${e.exclude} onInput=${l("exclude")}></textarea>
			`}
		<//>
		<${rn} name="jitterMs" title=${s.jitter} hint=${s.jitterHint} value=${e.jitter} issues=${t}
			onChange=${i("jitter")} />
	`}var Yi=()=>Intl.supportedValuesOf?.("timeZone")??[];function zi({draft:e,issues:t,set:n}){let s=c.schedules.form,r=({target:a})=>n({pauseOnFailure:a.checked});return o`
		<fieldset>
			<legend>${c.schedules.overlap}</legend>
			${qi.map(a=>o`<label class="check" key=${a}>
				<input type="radio" name="overlap" checked=${e.overlap===a} onChange=${()=>n({overlap:a})} />
				${a.replaceAll("_"," ")}<small>${c.schedules.overlaps[a]}</small>
			</label>`)}
			${gt(t,"overlap").map(a=>o`<p class="problem" key=${a}>${a}</p>`)}
		</fieldset>
		<${rn} name="catchUpMs" title=${s.catchUp} hint=${s.catchUpHint} value=${e.catchUp} issues=${t}
			onChange=${a=>n({catchUp:a})} />
		<label class="check">
			<input type="checkbox" checked=${e.pauseOnFailure} onChange=${r} />
			${s.pauseOnFailure}
		</label>
	`}function gt(e,t){let n=e.filter(({path:s})=>s===`/${t}`||t==="exclude"&&s.startsWith("/exclude/"));return[...new Set(n.map(({path:s,message:r})=>{let a=s.split("/")[2];return a===void 0?r:`${Number(a)+1}: ${r}`}))]}function pe({name:e,also:t,title:n,hint:s,issues:r,children:a}){let i=[...gt(r,e),...t?gt(r,t):[]],l=`schedule-${e}`,$=[s&&`${l}-hint`,i.length>0&&`${l}-wrong`].filter(Boolean).join(" ")||void 0,u={id:l,"aria-describedby":$,"aria-invalid":i.length>0?"true":void 0};return o`<div class="field">
		<label for=${l}>${n}</label>
		${a(u)}
		${s&&o`<small id=${`${l}-hint`}>${s}</small>`}
		${i.length>0&&o`<p class="problem" id=${`${l}-wrong`}>${i.join("; ")}</p>`}
	</div>`}function rn({value:e,onChange:t,...n}){let s=r=>({target:a})=>t({...e,[r]:a.value});return o`<${pe} ...${n}>
		${r=>o`<div class="group">
			<input ...${r} class="amount" type="number" min="0" step="any" value=${e.amount} onInput=${s("amount")} />
			<select aria-label=${c.schedules.form.unitOf(n.title)} value=${e.unit} onChange=${s("unit")}>
				${Zs.map(a=>o`<option key=${a} value=${a}>${c.schedules.form.units[a]}</option>`)}
			</select>
		</div>`}
	<//>`}var sr=100;async function yt(e,t,n){let s=[];for(let i=0;i<e.length;i+=sr)s.push(e.slice(i,i+sr));let a=(await Promise.all(s.map(i=>y("/job-runs/by-schedule",[["schedule",i.join(",")],["last",t]],n)))).flatMap(({data:i})=>i);return new Map(a.map(i=>[i.schedule,i]))}var Zi=({status:e})=>e==="pending"||e==="running",Xi=({status:e})=>e==="failed"||e==="expired";function kt(e){let t=e?.last.find(n=>!Zi(n));return t&&Xi(t)?t:void 0}var xt=({run:e})=>o`<${S} to=${{view:"run",id:e.id}}>
	<${j} status="failed" label=${c.schedules.lastFailed} /><//>`;function St({runs:e}){return e?e.last.length===0?o`<span class="quiet">${c.schedules.runs.none}</span>`:o`<span class="strip">
		${e.last.toReversed().map(({id:t,status:n,createdAt:s})=>{let r=`${c.status(n)}, ${Q(s)}`;return o`<${S} key=${t} to=${{view:"run",id:t}} class="status-${Ce(n)}" aria-label=${r} title=${r}>
				<${K} name=${Ce(n)} />
			<//>`})}
	</span>`:o`<span class="quiet">–</span>`}function Ot({id:e,runs:t}){let n=c.schedules.runs;if(!t)return null;let{succeeded:s,failed:r,expired:a}=t.counts,i=r+a,l=s+i;if(l===0)return o`<span class="quiet">–</span>`;let $=[["actor",`schedule:${e}`]],u=[["createdAfter",t.since]];return o`<${S} to=${{view:"runs",words:[...$,...u]}}>${n.rate(s,l)}<//>
		${i>0&&o` · <${S} to=${{view:"runs",words:[["status","failed,expired"],...$,...u]}}>
			<strong class="worse">${n.failed(i)}</strong><//>`}
		${el(t)&&o` <small>${n.since(Q(t.since))}</small>`}`}var Qi=864e5,el=({since:e})=>Date.now()-Date.parse(e)<6.9*Qi;var tl=10,nl=100,sl=20;function rl(){let{id:e}=T.value,t=w(async n=>{let[{data:s},{data:r}]=await Promise.all([y(`/schedules/${e}`,[],n),y(`/schedules/${e}/preview`,[["n",tl]],n)]),[a,i]=await Promise.all([al(e,n),yt([s.id],nl,n)]);return{schedule:s,preview:r,ticks:a,runs:i.get(s.id)}},[e]);return P("schedules",t.again,n=>n.has(e)),P("runs",t.again,n=>[...n.values()].some(({requestedBy:s})=>s===`schedule:${e}`)),o`<${O} asked=${t} lines=${8} list="schedules">
		${n=>T.value.tab==="edit"?o`<${ol} schedule=${n.schedule} />`:o`<${il} ...${n} again=${t.again} />`}
	<//>`}function ol({schedule:e}){return o`<div class="screen-head"><h1>${c.schedules.edit} ${e.id}</h1></div>
		${M.value?o`<${wt} schedule=${e} key=${e.id} />`:o`<${be} />`}`}async function al(e,t){let n=i=>ue(`/schedules/${e}/ticks`,[["limit",100]],i,t),s=0,r=await n(s),a=r.next&&(await y("/job-runs/counts",[],t)).meta.position;for(;r.next&&a>1;){a=Math.ceil(a/2);let i=await n(s+a);i.next&&(s+=a),i.rows.length>0&&(r=i)}return r.rows.reverse()}function il({schedule:e,preview:t,ticks:n,runs:s,again:r}){let a=c.schedules,i=kt(s);return o`<div class="screen-head">
			<div><h1>${e.id}</h1><p>${Ae(e)} · <${z} slug=${e.job} /></p></div>
			${M.value&&o`<${ul} schedule=${e} again=${r} />`}
		</div>
		${e.paused&&o`<p class="note"><${j} status="paused" /> <bdi>${e.paused.reason??""}</bdi></p>`}
		<section class="card stack">
			<div class="screen-head">
				<h2>${a.runs.title}</h2>
				${i&&o`<${xt} run=${i} />`}
				<div class="actions"><${S} to=${{view:"runs",words:[["actor",`schedule:${e.id}`]]}}>${a.runs.all}<//></div>
			</div>
			<${St} runs=${s&&{...s,last:s.last.slice(0,sl)}} />
			<p>${a.runs.week}: <${Ot} id=${e.id} runs=${s} /></p>
		</section>
		<div class="cards">
			<section class="card stack">
				<h2>${a.next}</h2>
				<${on} ticks=${t} />
			</section>
			<section class="card stack">
				<h2>${c.run.parameters}</h2>
				<${Y} value=${e.parameters} label=${c.run.parameters} />
			</section>
		</div>
		<${ll} schedule=${e} />
		<section class="stack"><h2>${a.past}</h2><${cl} ticks=${n} runs=${s?.last??[]} /></section>`}function ll({schedule:e}){let t=c.schedules,{overlap:n,jitterMs:s,catchUpMs:r,startAt:a,endAt:i,exclude:l,pauseOnFailure:$,owner:u}=e,d=[[t.overlap,t.overlaps[n]],[t.facts.catchUp,C(r)],[t.facts.pauseOnFailure,$?t.yes:t.no],[t.facts.jitter,s>0&&C(s)],[t.facts.start,a&&o`<${k} at=${a} full />`],[t.facts.end,i&&o`<${k} at=${i} full />`],[t.facts.exclude,l.length>0&&l.map(p=>o`<code key=${p}>${p}</code> `)],[t.facts.owner,u]];return o`<dl class="facts card">
		${d.filter(([,p])=>p).map(([p,m])=>o`<div key=${p}><dt>${p}</dt><dd>${m}</dd></div>`)}
	</dl>`}function cl({ticks:e,runs:t}){let n=new Map(t.map(({id:i,status:l})=>[i,l])),s=c.schedules;if(e.length===0)return o`<p class="quiet">${s.noTicks}</p>`;let r=[{name:"first",title:s.due,cell:({dueAt:i,lastDueAt:l,ticks:$})=>o`<${k} at=${i} />${$>1&&o` – <${k} at=${l} />`}`},{name:"status",title:s.outcome,cell:({outcome:i,ticks:l})=>o`<span class="tag">${i}</span> ${l>1&&`\xD7 ${l}`}`},{name:"why",title:s.why,cell:({reason:i,cause:l})=>i??l},{name:"run",title:c.runs.columns.run,cell:({runId:i})=>i&&o`<${I} id=${i} /> ${n.has(i)&&o`<${j} status=${n.get(i)} />`}`}],a=({position:i})=>i;return o`<${Z} label=${s.past} rows=${e} keyOf=${a} columns=${r} />`}function ul({schedule:e,again:t}){let n=c.schedules,s=`/schedules/${e.id}`,r=E(se()),a=async()=>{let l=await D(()=>N(`${s}/trigger`,void 0,{"Idempotency-Key":r.current}));l&&(r.current=se(),W(c.jobs.launched(l.data.id)))};return o`<div class="actions">
		<button class="danger" onClick=${async()=>{let l={title:n.removeTitle(e.id),text:n.removeText(e.id),action:n.remove};await ie(l)&&await D(()=>ae("DELETE",s),n.removed(e.id))&&B({view:"schedules"},{replace:!0})}}>${n.remove} …</button>
		<button onClick=${()=>B({view:"schedule",id:e.id,tab:"edit"})}>${n.edit}</button>
		<${Ve} paused=${e.paused} name=${e.id} path=${s} text=${n.pauseText} again=${t} />
		<${$l} path=${s} again=${t} />
		<button class="main" onClick=${a}>${n.trigger}</button>
	</div>`}function $l({path:e,again:t}){let n=c.schedules,s=h(""),r=h(""),a=async i=>{i.preventDefault();let l=d=>new Date(d).toISOString(),$=l(s.value),u=0;for(;$;){let d=await D(()=>N(`${e}/backfill`,{from:$,to:l(r.value)}));if(!d)return t();u+=d.data.runs.length,$=d.data.continueFrom}W(n.filled(u)),t()};return o`<details class="menu">
		<summary>${n.backfill}</summary>
		<form class="menu-box stack" onSubmit=${a}>
			<label>${n.from}<input type="datetime-local" step="1" required value=${s.value} onInput=${H(s)} /></label>
			<label>${n.to}<input type="datetime-local" step="1" required value=${r.value} onInput=${H(r)} /></label>
			<button>${n.backfill}</button>
		</form>
	</details>`}function dl(){return T.value.tab==="new"?o`<${pl} />`:o`<${fl} />`}function pl(){return o`<div class="screen-head"><h1>${c.schedules.create}</h1></div>
		${M.value?o`<${wt} />`:o`<${be} />`}`}function fl(){let e=w(t=>ne("/schedules",R.value,t),[]);return P("schedules",e.again),o`<div class="screen-head">
			<h1>${c.schedules.title}</h1>
			${M.value&&o`<div class="actions">
				<button class="main" onClick=${()=>B({view:"schedules",tab:"new"})}>${c.schedules.create}</button>
			</div>`}
		</div>
		<${O} asked=${e}>${t=>o`<${bl} schedules=${t} />`}<//>`}var ml=8,hl=1e4;function vl(e){let t=e.map(({id:s})=>s);return w(async s=>_.value?null:yt(t,ml,s),[t.join(",")],{everyMs:hl}).answer??(_.value?null:new Map)}function bl({schedules:e}){let t=vl(e),n=c.schedules.columns;if(e.length===0)return o`<${L}
			title=${c.schedules.empty} hint=${c.schedules.emptyHint} command=${c.schedules.emptyCommand} />`;let s=[{name:"first",title:n.schedule,cell:({id:r,job:a})=>o`<${S} to=${{view:"schedule",id:r}}><strong>${r}</strong><//>${" "}
					<small><${z} slug=${a} /></small>`},{name:"when",title:n.when,cell:r=>Ae(r)},{name:"next",title:n.next,cell:({nextAt:r,paused:a})=>a&&!t?o`<${j} status="paused" />`:o`<${k} at=${a?null:r} />`}];return t?s.push(...gl(t)):s.push({name:"last",title:n.last,cell:({lastTick:r})=>o`<${rr} tick=${r} />`}),o`<${Z} label=${c.schedules.title} rows=${e} keyOf=${({id:r})=>r} columns=${s} />`}function gl(e){let t=c.schedules.columns;return[{name:"state",title:t.state,cell:n=>o`<${wl} schedule=${n} runs=${e.get(n.id)} />`},{name:"runs",title:t.runs,cell:({id:n})=>o`<${St} runs=${e.get(n)} />`},{name:"week",title:t.week,cell:({id:n})=>o`<${Ot} id=${n} runs=${e.get(n)} />`}]}function wl({schedule:e,runs:t}){let{paused:n,lastTick:s}=e,r=kt(t),a=s?.outcome==="skipped"&&s.reason!=="paused";return o`
		${r&&o`<${xt} run=${r} />`}
		${n&&o` <${j} status="paused" />`}
		${t&&!r&&!n&&o`<${j} status="ready" label=${c.schedules.active} />`}
		${a&&o` <small><${rr} tick=${s} /></small>`}
	`}function rr({tick:e}){return e?o`<span class="tag">${e.outcome}</span>${" "}
		<small><${k} at=${e.dueAt} /></small>${" "}
		${e.runId?o`<${I} id=${e.runId} />`:o`<small>${e.reason?.replaceAll("_"," ")??""}</small>`}`:o`<span class="quiet">–</span>`}var yl=3e3;function kl(){let e=w(t=>ne("/workers",[],t),[],{everyMs:yl});return o`<div class="screen-head"><h1>${c.workers.title}</h1></div>
		<${O} asked=${e}>${t=>o`<${xl} workers=${t} again=${e.again} />`}<//>`}function xl({workers:e,again:t}){let n=c.workers.columns;if(e.length===0)return o`<${L}
			title=${c.workers.empty} hint=${c.workers.emptyHint} command=${c.overview.startWorker} />`;let s=[{name:"first",title:n.worker,cell:({id:r,host:a,pid:i})=>o`<strong class="id">${r}</strong> <small>${c.workers.at(a,i)}</small>
				<${S} to=${{view:"runs",words:[["worker",r]]}}>${c.workers.runs}<//>`},{name:"status",title:n.state,cell:({state:r})=>o`<${j} status=${r} />`},{name:"slots",title:n.slots,cell:({busy:r,slots:a,sharedBusy:i,sharedSlots:l})=>o`<meter min="0" max=${a} value=${r} aria-label=${c.overview.slots(r,a)}>
					</meter>${" "}
					<small>${c.overview.slots(r,a)}</small>
					${l>0&&o`<br /><small>${c.workers.shared(i,l)}</small>`}`},{name:"labels",title:n.labels,cell:({labels:r})=>Object.entries(r).map(([a,i])=>o`
				<span class="tag" key=${a}>${a}=${i}</span>${" "}
			`)},{name:"handlers",title:n.handlers,cell:({entryPoints:r})=>o`<${Sl} names=${r} />`},{name:"beat",title:n.beat,cell:({lastBeatAt:r})=>o`<${k} at=${r} />`},{name:"version",title:n.version,cell:({version:r})=>r},{name:"action",title:c.actions,isTitleHidden:!0,cell:r=>r.state==="alive"&&M.value&&o`<button onClick=${()=>Ol(r,t)}>${c.workers.drain} …</button>`}];return o`<${Z} label=${c.workers.title} rows=${e} keyOf=${({id:r})=>r} columns=${s} />`}function Sl({names:e}){return e===null?c.workers.any:o`<details>
		<summary>${c.workers.handlers(e.length)}</summary>
		<ul>${e.map(t=>o`<li key=${t}><code>${t}</code></li>`)}</ul>
	</details>`}async function Ol({id:e},t){let n=c.workers;await ie({title:`${n.drain} ${e}`,text:n.drainText,action:n.drain})&&await D(()=>N(`/workers/${e}/drain`).then(t),n.drained)}export{or as app,dr as apps,gr as bulk,co as failures,Wo as job,ra as jobs,pa as log,Ga as run,Ai as runs,rl as schedule,dl as schedules,kl as workers};
