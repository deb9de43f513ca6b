// licences.txt names what is in it.
import{$ as O,A as dn,Aa as On,B as pn,Ba as Sn,C as fn,Ca as An,D as B,Da as ze,E as U,Ea as _t,F as _e,Fa as jn,G as Re,Ga as Mn,H as ve,Ha as En,I as mn,Ia as Tn,J as ke,Ja as _n,K as c,Ka as Rn,L as o,La as Cn,M as H,Ma as Nn,N as K,Na as In,O as W,Oa as Ln,P as D,Pa as Dn,Q as hn,Qa as Ze,R as $e,S as vn,T as bn,U as Be,V as ae,W as Ue,X as gn,Y as wn,Z as Y,_ as We,a as F,aa as I,b as me,ba as z,c as E,ca as de,d as te,da as Je,e as Fe,ea as Ve,f as h,fa as be,g as cn,ga as L,h as G,ha as yn,i as un,ia as S,j as w,ja as Ce,k as ce,ka as j,l as ue,la as Z,m as oe,ma as k,n as N,na as xe,o as he,oa as kn,p as ne,pa as y,q as ye,qa as Ge,r as jt,ra as xn,s as C,sa as X,t as Mt,ta as P,u as Q,ua as Oe,v as $n,va as M,w as T,wa as Ke,x as _,xa as Ye,y as R,ya as Et,z as Te,za as Tt}from"./dashboard.js";var Pn=50;function rr(){let{id:e}=T.value,t=y(async n=>{let[s,r,a]=await Promise.all([w(`/apps/${e}`,[],n),w(`/apps/${e}/builds`,[["limit",Pn]],n),w(`/apps/${e}/history`,[["limit",Pn]],n)]),i=r.meta.hasMore||a.meta.hasMore;return{app:s.data,builds:r.data,history:a.data,isCut:i}},[e]);return P("apps",t.again,n=>n.has(e)),o`<${S} asked=${t} lines=${8}>
		${n=>o`<${or} ...${n} again=${t.again} />`}
	<//>`}function or({app:e,builds:t,history:n,isCut:s,again:r}){let a=X(t,"builds",({id:l})=>l),i=c.apps;return o`<div class="screen-head">
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
			${e.tags.map(({key:l,value:d})=>o`<span class="tag" key=${l+d}>${l}:${d}</span>`)}
		</p>
		${e.ingestError&&o`<p class="error-message" tabindex="0"><code>${e.ingestError}</code></p>`}
		${s&&o`<p class="note">${c.apps.cut}</p>`}
		<${ir} tiles=${e.previewTiles} />
		<section class="stack">
			<h2>${i.builds}</h2>
			${a.length===0?o`<p class="quiet">${i.noBuilds}</p>`:a.map(l=>o`
				<${lr} key=${l.id} build=${l} again=${r} />
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
		</section>`}var Rt=({src:e,posterUrl:t,embedUrl:n})=>e??t??n??"";function ar({tile:e}){let t=Rt(e),n=e.title??t;return/^https?:/.test(t)?o`<a href=${t} rel="noreferrer">${n}</a>`:n}function ir({tiles:e}){return e.length===0?null:o`<section class="stack">
		<h2>${c.apps.previews}</h2>
		<ul class="cards">
			${e.map(t=>o`<li class="card stack" key=${t.id}>
				${Rt(t).startsWith("data:image/")?o`
					<img class="preview" src=${Rt(t)} alt=${t.title?"":c.apps.preview} />
					${t.title&&o`<small>${t.title}</small>`}
				`:o`<${ar} tile=${t} />`}
			</li>`)}
		</ul>
	</section>`}function lr({build:e,again:t}){let{id:n,status:s,imageTag:r,errorMessage:a,commitSha:i,createdAt:l,startedAt:d,completedAt:u,durationMs:$,hasLogs:p,jobRunId:m}=e,v=h(!1),f=({target:b})=>v.value=b.open,x=c.apps;return o`<article class="card stack">
		<div class="screen-head">
			<h3><span class="id">${de(n)}</span></h3>
			<${j} status=${s} />
			<small><${k} at=${l} /> · <${xe} from=${d} to=${u} ms=${$} /></small>
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
			${v.value&&o`<${cr} id=${n} status=${s} />`}
		</details>`}
	</article>`}function cr({id:e,status:t}){let n=y(s=>w(`/builds/${e}/logs`,[],s),[e],{newer:[t],everyMs:t==="running"?2e3:void 0});return o`<${S} asked=${n}>
		${({data:s})=>o`<pre class="log-lines" tabindex="0" aria-label=${c.apps.log}>${s.logs}</pre>`}
	<//>`}var ur=48;function $r(){let e=Object.fromEntries(T.value.words),t=a=>async i=>{let{data:l,meta:d,total:u}=await w("/apps",[["q",e.q],["status",e.status],["limit",ur],["offset",a]],i);return{rows:l,total:u??l.length,next:d.nextOffset}},n=y(t(0),[e.q,e.status]),s=h(e.q??""),r=a=>{a.preventDefault(),U({words:s.value?[["q",s.value]]:[]})};return o`<div class="screen-head">
			<h1>${c.apps.title} ${n.answer&&o`<span class="count">${ke(n.answer.total)}</span>`}</h1>
			<form class="group" role="search" onSubmit=${r}>
				<input
					type="search" data-filter aria-label=${c.apps.search} placeholder=${c.apps.search}
					value=${s.value} onInput=${H(s)} />
			</form>
		</div>
		<${S} asked=${n}>
			${({rows:a})=>o`
				<${dr} found=${a} isAll=${!e.q&&!e.status} />
				<${$e} asked=${n} load=${i=>t(i)()} />
			`}
		<//>`}function dr({found:e,isAll:t}){let n=X(e,"apps",({id:s})=>s);return n.length===0&&!t?o`<${L} title=${c.apps.noMatch} hint=${c.apps.noMatchHint} />`:n.length===0?o`<${L} title=${c.apps.empty} hint=${c.apps.emptyHint} command=${c.apps.emptyCommand} />`:o`<ul class="cards">${n.map(s=>o`<${pr} key=${s.id} app=${s} />`)}</ul>`}function pr({app:e}){return o`<li class="card stack">
		<div class="screen-head">
			<h2><${O} to=${{view:"app",id:e.id}}>${e.name}<//></h2>
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
	</li>`}function ie({runs:e,selected:t,sort:n="",isBrief:s=!1,isOfOneJob:r=!1}){let a=c.runs.columns,i=[{name:"first",title:a.run,cell:l=>o`<${I} id=${l.id} />`},{name:"job",title:a.job,cell:l=>o`<${z} slug=${l.slug} />`},{name:"status",title:a.status,cell:l=>o`<${mr} run=${l} />`},{name:"took",title:a.took,cell:l=>o`<${xe} from=${l.startedAt} to=${l.completedAt} ms=${l.durationMs} />`},n==="ended"?{name:"created",title:a.ended,cell:l=>o`<${k} at=${l.completedAt} />`}:{name:"created",title:a.created,cell:l=>o`<${k} at=${l.createdAt} />`}];return s||i.push({name:"why",title:a.details,cell:l=>o`<${hr} run=${l} />`}),r&&i.splice(1,1),t&&i.unshift(vr(e,t)),o`<${Z} label=${c.runs.title} rows=${e} keyOf=${fr} columns=${i}
		rowClass=${({id:l})=>t?.value.has(l)?"is-selected":""} />`}var fr=({id:e})=>e;function mr({run:e}){let t=e.attempt>1;return o`<${j} status=${e.status} />${" "}
		${t&&o`<small>${c.runs.attemptOf(e.attempt,e.maxAttempts)}</small>`}`}function hr({run:e}){if(e.errorMessage)return o`<span class="one-line">${e.errorMessage}</span>`;if(e.status==="pending")return o`<small>${c.runs.dueAt} <${k} at=${e.scheduledAt} /></small>`;let t=Object.entries(e.parameters??{});return o`<span class="one-line quiet">
		${t.map(([n,s])=>`${n}=${JSON.stringify(s)}`).join(" ")}</span>
	`}function vr(e,t){let n=a=>{let i=new Set(t.value);i.delete(a)||i.add(a),t.value=i},s=e.length>0&&e.every(({id:a})=>t.value.has(a)),r=()=>t.value=s?new Set:new Set(e.map(({id:a})=>a));return{name:"select",title:o`<input type="checkbox" aria-label=${c.runs.selectAll} checked=${s} onChange=${r} />`,cell:({id:a})=>o`<input type="checkbox" aria-label=${c.runs.select(de(a))} checked=${t.value.has(a)}
				onChange=${()=>n(a)} />`}}function br(){let{id:e}=T.value,t=y(async n=>{if(!e)return Hn(null,n);let{data:s}=await w(`/bulk/${e}`,R.value,n);return{rows:[s],next:null}},[e]);return o`<h1>${c.views.bulk}</h1>
		<${S} asked=${t}>
			${({rows:n})=>o`
				<${gr} operations=${n} />
				<${$e} asked=${t} load=${Hn} text=${c.older} />
			`}
		<//>`}var Hn=(e,t)=>ce("/bulk",R.value,e,t);function gr({operations:e}){let t=X(e,"bulk",({id:n})=>n);return t.length===0?o`<${L} title=${c.bulk.empty} hint=${c.bulk.emptyHint} />`:o`<ul class="stack">
		${t.map(n=>o`<${wr} key=${n.id} operation=${n} />`)}
	</ul>`}function wr({operation:e}){let{id:t,action:n,filter:s,status:r,total:a,done:i,refused:l,reason:d,requestedBy:u,createdAt:$,refusals:p}=e,m=c.bulk,v={title:m.abort,text:m.abortHint,action:m.abort},f=()=>Ue(v,`/bulk/${t}/abort`,m.abort);return o`<li class="card stack">
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
		<p class="quiet"><bdi>${d}</bdi> · <bdi>${u}</bdi> · <${k} at=${$} /></p>
		${n!=="cancel"&&!_.value&&o`<${xr} operation=${e} isOpen=${T.value.id===t} />`}
		${p.length>0&&o`<ul class="refused">
			${p.slice(0,10).map(({run:x,why:b})=>o`<li key=${x}>${c.bulk.one(x,b)}</li>`)}
		</ul>`}
	</li>`}var yr=10,kr=3e3;function xr({operation:e,isOpen:t}){let n=h(t);return o`<details open=${t} onToggle=${({target:r})=>n.value=r.open}>
		<summary>${c.bulk.launched}</summary>
		${n.value&&o`<${Or} operation=${e} />`}
	</details>`}function Or({operation:{id:e,done:t}}){let n=y(r=>w(`/bulk/${e}/runs`,[["limit",yr]],r),[e],{newer:[t],everyMs:kr});return o`<${S} asked=${n} lines=${3}>${({data:r,meta:a})=>o`<div class="stack">
		${r.length===0&&o`<p class="quiet">${c.bulk.none}</p>`}
		<p>
			${Object.entries(a.counts??{}).filter(([,i])=>i>0).map(([i,l])=>o`
				<span class="tag" key=${i}>${c.bulk.went(l,i)}</span>${" "}
			`)}
		</p>
		${a.hasMore&&o`<p class="quiet">${c.bulk.newest(r.length)}</p>`}
		${r.length>0&&o`<${ie} runs=${r} />`}
	</div>`}<//>`}function Xe({action:e,words:t,onClose:n}){let s={action:e,filter:On(t)},r=y(()=>N("/bulk",{...s,dryRun:!0}),[]);return o`<${Be} title=${c.bulk.title(e)} onClose=${n} className="wide">
		<p class="command"><code>${s.filter.join("  ")}</code></p>
		<${S} asked=${r}>
			${({data:a})=>o`
				<${Ar} preview=${a} /><${jr} order=${s} count=${a.count} onClose=${n} />
			`}
		<//>
	<//>`}var Sr=5;function Ar({preview:e}){let{count:t,position:n,sample:s,refused:r}=e;return o`<div class="stack">
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
		${s.length>0&&o`<div><h3>${c.bulk.sample}</h3><${ie} runs=${s.slice(0,Sr)} isBrief /></div>`}
	</div>`}function jr({order:e,count:t,onClose:n}){let s=h(""),r=h(""),a=h(""),i=h(""),l=E(ne()),d=t>0&&s.value.trim()!==""&&(!gn||a.value===mn.name);return o`<form class="stack" onSubmit=${async $=>{$.preventDefault();try{let p=r.value.trim()&&JSON.parse(r.value),m={...e,reason:s.value,...p&&{patch:{parameters:p}}},{data:v}=await N("/bulk",m,{"Idempotency-Key":l.current});W(c.bulk.title(e.action)),n(),B({view:"bulk",id:v.id})}catch(p){i.value=p instanceof SyntaxError?c.jobs.badJson:G(p).message}}}>
		<label>${c.reason}<input required maxlength="1000" value=${s.value} onInput=${H(s)} /></label>
		${e.action==="rerun"&&o`
			<label>${c.bulk.patch}<textarea rows="3" placeholder="{}" value=${r.value} onInput=${H(r)}></textarea></label>
		`}
		<${wn} name=${a} />
		${i.value&&o`<p class="problem" role="alert">${i.value}</p>`}
		<div class="actions">
			<button type="button" onClick=${n}>${c.leaveIt}</button>
			<button class="danger" disabled=${!d}>${c.bulk.go(c.bulk.actions[e.action],t)}</button>
		</div>
	</form>`}var qn=/[\x00-\x08\x0b-\x1f\x7f-\x9f]/,Mr=new RegExp([/\x1b\[([0-?]*)[ -/]*([@-~])/,/\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?/,/\x1b[PX^_][^\x1b]*(?:\x1b\\)?/,/\x1b[ -/]*[0-~]/,/[\x00-\x08\x0b-\x1f\x7f-\x9f]/,/[^\x00-\x08\x0b-\x1f\x7f-\x9f]+/].map(({source:e})=>e).join("|"),"g"),et={foreground:null,background:null,is:new Set,classes:""},Er=[];function Un(e,t){if(t===et&&!qn.test(e)&&!e.includes("	"))return{text:e.length>1e4?e.slice(0,1e4):e,spans:Er,style:t};let n=new Nt(t);for(let[s,r,a]of e.matchAll(Mr))a?n.control(a,r):s==="\r"?n.column=0:s==="\b"?n.column=Math.max(n.column-1,0):qn.test(s)||n.write(s);return{text:n.characters.join(""),spans:n.spans(),style:n.style}}var Nt=class{constructor(t){this.style=t,this.column=0,this.characters=[],this.classes=[]}write(t){for(let n of t)if(n==="	")do this.#e(" ");while(this.column%8!==0&&this.column<1e4);else this.#e(n)}#e(t){if(!(this.column>=1e4)){for(;this.characters.length<this.column;)this.characters.push(" "),this.classes.push("");this.characters[this.column]=t,this.classes[this.column]=this.style.classes,this.column+=1}}control(t,n){let s=Number.parseInt(n,10)||0;t==="m"&&!Tr.test(n)?this.style=_r(this.style,n):t==="K"?this.#t(s):t==="C"?this.column=Math.min(this.column+(s||1),1e4):t==="D"?this.column=Math.max(this.column-(s||1),0):t==="G"&&(this.column=Math.min((s||1)-1,1e4))}#t(t){let n=t===0?this.column:0;if(t===1){let s=Math.min(this.column+1,this.characters.length);this.characters.fill(" ",0,s),this.classes.fill("",0,s)}else this.characters.length=Math.min(n,this.characters.length),this.classes.length=this.characters.length}spans(){let t=[],n=0;for(let[s,r]of this.characters.entries()){let a=this.classes[s],i=t.at(-1),l=n+r.length;a&&i?.to===n&&i.classes===a?i.to=l:a&&t.length<500&&t.push({from:n,to:l,classes:a}),n=l}return t}},Tr=/[<=>?]/,Fn={1:"bold",2:"dim",3:"italic",4:"underline",7:"inverse",9:"strike"},Bn={21:["bold"],22:["bold","dim"],23:["italic"],24:["underline"],27:["inverse"],29:["strike"]};function _r(e,t){let{foreground:n,background:s}=e,r=new Set(e.is),a=t.split(";");for(let i=a.shift();i!==void 0;i=a.shift()){let[l,...d]=i.split(":").map(Number);if(l===0)n=s=null,r=new Set;else if(l===38||l===48){let u=d.length>0?Wn(d[0],d.slice(d[0]===2?-3:1)):Rr(a);l===38?n=u:s=u}else if(l===4&&d[0]===0)r.delete("underline");else if(Fn[l])r.add(Fn[l]);else if(Bn[l])for(let u of Bn[l])r.delete(u);else l===39?n=null:l===49?s=null:Qe(l,30)||Qe(l,90)?n=l%10:(Qe(l,40)||Qe(l,100))&&(s=l%10)}return n===null&&s===null&&r.size===0?et:{foreground:n,background:s,is:r,classes:Nr(n,s,r)}}var Qe=(e,t)=>e>=t&&e<t+8;function Rr(e){let t=Number(e.shift());return Wn(t,e.splice(0,t===2?3:1).map(Number))}function Wn(e,t){if(e===2)return Ct(t);let[n=0]=t;if(e!==5)return null;if(n<16)return n%8;if(n>=232)return Ct([1,1,1].map(r=>r*(8+10*(n-232))));let s=n-16;return Ct([Math.floor(s/36),Math.floor(s/6)%6,s%6].map(r=>r*51))}var Cr=48;function Ct([e=0,t=0,n=0]){let s=Math.max(e,t,n),r=Math.min(e,t,n);if(s-r<Cr)return s<128?0:7;let a=(s+r)/2;return(e>a?1:0)+(t>a?2:0)+(n>a?4:0)}function Nr(e,t,n){let s=n.has("inverse")?e??7:t,r=s===null?e!==null&&`ansi-${e}`:`ansi-on-${s}`,a=[...n].filter(i=>i!=="inverse").map(i=>`ansi-${i}`);return[r,...a].filter(Boolean).join(" ")}var Ir=1e5,Lr=1e4,Jn=1e5,Kn=/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?[Zz] /,ge=class{dropped=0;#e=[];#t=[];#r=new Map;#s=new Set;#o=et;#n="";#a=!1;get end(){return this.finished+(this.#n!==""&&!this.#a?1:0)}get finished(){return this.dropped+this.#e.length}add(t){let n=(this.#n+t).split(`
`);this.#n=Dr(n.pop()??"");for(let r of n)this.#i(r);let s=this.#e.length-Ir;s>Lr&&this.#l(s)}finish(){this.#n!==""&&!this.#a&&this.#i(this.#n),this.#a=!0}line(t){return t>=this.finished?Vn(this.#n,this.#o):{text:this.#e[t-this.dropped]??"",spans:this.#r.get(t)??[],isError:this.#s.has(t)}}errors(){return this.end>this.finished&&this.line(this.finished).isError?[...this.#s,this.finished]:[...this.#s]}width(t){return t>=this.finished?Gn(this.line(t).text):this.#t[t-this.dropped]}#i(t){let{text:n,spans:s,style:r,isError:a}=Vn(t,this.#o);this.#o=r,a&&this.#s.add(this.finished),s.length>0&&this.#r.set(this.finished,s),this.#e.push(n),this.#t.push(Gn(n))}#l(t){this.#e.splice(0,t),this.#t.splice(0,t),this.dropped+=t;for(let n of[this.#r,this.#s])for(let s of n.keys()){if(s>=this.dropped)break;n.delete(s)}}};function Vn(e,t){let n=Kn.exec(e)?.[0]??"",s=Un(e.slice(n.length),t),r=s.spans.map(a=>({...a,from:a.from+n.length,to:a.to+n.length}));return{...s,text:n.toUpperCase()+s.text,spans:r,isError:n.endsWith("z ")}}function Dr(e){if(e.length<=Jn)return e;let t=Kn.exec(e)?.[0]??"",n=e.slice(Math.max(e.lastIndexOf("\r")+1,t.length));return(t+n).slice(0,Jn)}var Pr=/^[ -~]*$/,Hr=new RegExp("[\\u1100-\\u115f\\u2e80-\\ua4cf\\uac00-\\ud7a3\\uf900-\\ufaff\\ufe30-\\ufe6f\\uff00-\\uff60\\uffe0-\\uffe6]|\\p{Emoji_Presentation}|[\\u{20000}-\\u{3fffd}]","gu");function Gn(e){if(Pr.test(e))return e.length;let t=e.match(Hr)?.length??0;return[...e].length+t}function Yn(e,t,n,s=null){let r=s===null?e.end-e.dropped:s.length,a=s===null?qr(e.dropped,r):Fr(s,e.end);if(t===null)return{count:r,begins:l=>l,...a};let i=new Float64Array(r+1);for(let l=0;l<r;l+=1){let d=a.numberAt(l),u=n.get(d)??Math.max(Math.ceil(e.width(d)/t),1);i[l+1]=i[l]+u}return{count:r,begins:l=>i[l],...a}}function qr(e,t){return{numberAt:n=>e+n,indexOf:n=>Math.min(Math.max(n-e,0),t)}}function Fr(e,t){return{numberAt:n=>e[n]??t,indexOf:n=>{let s=0,r=e.length;for(;s<r;){let a=s+r>>1;e[a]<n?s=a+1:r=a}return s}}}function tt(e,{count:t,begins:n}){let s=0,r=Math.max(t-1,0);for(;s<r;){let a=Math.ceil((s+r)/2);n(a)<=e?s=a:r=a-1}return s}function nt(e){return e===""?null:new RegExp(e.replace(/[\\^$.*+?()[\]{}|]/g,"\\$&"),"gi")}var Se=class{hits=[];#e=0;#t;constructor(t){this.#t=new RegExp(t.source,"i")}advance(t,n){for(this.hits[0]<t.dropped&&(this.hits=this.hits.filter(s=>s>=t.dropped)),this.#e=Math.max(this.#e,t.dropped);this.#e<t.finished;){if(this.#e%256===0&&n())return!1;this.#t.test(t.line(this.#e).text)&&this.hits.push(this.#e),this.#e+=1}return!0}};function zn(e,t,n,s){if(e.length===0)return null;let r=t??(s===1?n.first-1:n.last+1),a=e.findIndex(l=>l>r);if(s===1)return a===-1?e[0]:e[a];let i=e.findLastIndex(l=>l<r);return i===-1?e[e.length-1]:e[i]}function Ne({text:e,spans:t},n){let r=(n===null?[]:[...e.matchAll(n)]).map(({index:$,0:{length:p}})=>({from:$,to:$+p})),a=[0,e.length,...[...t,...r].flatMap(({from:$,to:p})=>[$,p])],i=[...new Set(a)].sort(($,p)=>$-p),l=$=>{let p=0;return m=>{for(;$[p]?.to<=m;)p+=1;return $[p]?.from<=m?$[p]:null}},d=l(t),u=l(r);return i.slice(1).map(($,p)=>{let m=i[p];return{text:e.slice(m,$),classes:d(m)?.classes??"",isHit:u(m)!==null}})}var se=20,Zn=20;function Qn({run:e}){let t=Object.fromEntries(T.value.words),n=Xn(t.attempt,e.attempt)??e.attempt,s=Xn(t.line,1/0),r=t.find??"",{log:a,version:i,isGrowing:l,error:d}=Qr(e.id,n),u=c.run.log,$=({target:p})=>U({words:[["attempt",p.value]]});return o`<section class="card stack log">
		${_.value&&o`<p class="note">${c.past.notHere}</p>`}
		${e.attempt>1&&o`<label class="inline">
			${c.run.attempts}
			<select value=${n} onChange=${$}>
				${Array.from({length:e.attempt},(p,m)=>o`
					<option key=${m} value=${m+1}>${c.run.attempt(m+1)}</option>
				`)}
			</select>
		</label>`}
		${d&&o`<${yn} error=${d} />`}
		${a.dropped>0&&o`<p class="note">${u.cut}</p>`}
		${a.end===0&&!d?o`<p class="quiet">${l?c.loading:u.empty}</p>`:o`<${Br} log=${a} version=${i} isGrowing=${l} attempt=${n} linked=${s} find=${r}
			save=${()=>D(()=>zr(e.id,n))} key=${n} />`}
	</section>`}function Xn(e,t){return/^[1-9][0-9]{0,8}$/.test(e??"")&&Number(e)<=t?Number(e):null}function Br({log:e,version:t,isGrowing:n,attempt:s,linked:r,find:a,save:i}){let l=c.run.log,d=h(a),u=h(null),$=te(()=>nt(d.value),[d.value]),p=te(()=>e.errors(),[e,t]),m=h(!1),v=Yr(e,t,$),f=m.value?v.filter(g=>e.line(g).isError):v,x=u.value??(r===null?null:r-1),b=Gr(e,t,m.value?p:null,x,r===null),A=E(null);F(()=>{if(r===null||A.current===r||r>b.layout.numberAt(b.layout.count))return;A.current=r;let{first:g,last:q}=b.visible();(r-1<g||r-1>q)&&b.show(r-1)},[r,t]);let J=g=>{let q=zn(f,u.value,b.visible(),g);q!==null&&(u.value=q,b.show(q))},re=g=>{u.value=null,H(d)(g)},ee=g=>{g.preventDefault(),J(1)},V=({target:g})=>m.value=g.checked,je=({target:g})=>Re.value=g.checked,Me=g=>{g.key!=="Enter"||!g.shiftKey||(g.preventDefault(),J(-1))},Ee=u.value===null?-1:f.indexOf(u.value),At=b.sticks.value?l.follows:l.grows;return o`<form class="group" role="search" onSubmit=${ee}>
			<input type="search" aria-label=${l.search} placeholder=${l.search} value=${d.value}
				onInput=${re} onKeyDown=${Me} />
			<button type="button" aria-label=${l.previous} title=${l.previous} disabled=${f.length===0}
				onClick=${()=>J(-1)}>↑</button>
			<button type="button" aria-label=${l.next} title=${l.next} disabled=${f.length===0}
				onClick=${()=>J(1)}>↓</button>
			${$&&o`<span class="quiet" role="status">
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
				><span>${"0".repeat(ns)}</span></span></div>
			<${Ur} log=${e} version=${t} box=${b} pattern=${$} attempt=${s}
				current=${u.value} linked=${r} />
		</div>`}function Ur({log:e,box:t,pattern:n,attempt:s,current:r,linked:a}){let{begins:i,count:l}=t.layout,{top:d,height:u}=t.view.value,$=tt(Math.floor(d/se)-Zn,t.layout),p=Math.min(tt(Math.ceil((d+u)/se)+Zn,t.layout)+1,l),m=Array.from({length:p-$},(b,A)=>t.layout.numberAt($+A)),v=E(null);me(()=>v.current?t.measure(v.current):void 0);let f=b=>({...T.value,words:[["attempt",s],["line",b+1]]}),x=b=>b===r?"is-current":b+1===a?"is-linked":"";return o`<svg class="spacer" width="1" height=${i($)*se} aria-hidden="true"></svg>
		<div ref=${v}>
			${m.map(b=>({number:b,line:e.line(b)})).map(({number:b,line:A})=>o`
				<div class="line ${x(b)}" key=${b} data-number=${b}>
					<${O} to=${f(b)} class="line-number" tabindex="-1" aria-label=${c.run.log.line(b+1)}>
						${b+1}<//>
					<${ts} isError=${A.isError} />
					<span class="line-text">${Ne(A,n).map(st)}</span>
				</div>`)}
		</div>
		<svg class="spacer" width="1" height=${(i(l)-i(p))*se} aria-hidden="true"></svg>`}function es({text:e}){let t=te(()=>Wr(e),[e]);return Array.from({length:t.end},(n,s)=>{let r=t.line(s);return o`<${ts} isError=${r.isError} />${Ne(r,null).map(st)}${`
`}`})}function ts({isError:e}){return e?o`<span class="line-stream" role="img" aria-label="stderr" title="stderr">!</span>`:o`<span class="line-stream"></span>`}function Wr(e){let t=new ge;return t.add(e),t.finish(),t}function st({text:e,classes:t,isHit:n}){let s=t?o`<span class=${t}>${e}</span>`:e;return n?o`<mark>${s}</mark>`:s}var ns=100,Jr=200,Vr=["ArrowUp","PageUp","Home"];function Gr(e,t,n,s,r){let a=E(null),i=h({top:0,height:480,columns:80}),l=h(r),d=E(0),u=E({first:0,last:0}),$=E({before:0,now:0,at:0}),p=E({columns:null,rows:new Map}),m=h(0),v=Re.value?i.value.columns:null;p.current.columns!==v&&(p.current={columns:v,rows:new Map});let f=te(()=>Yn(e,v,p.current.rows,n),[e,t,n,v,m.value]),x=()=>{let{top:g,height:q}=i.value,fe=we=>f.numberAt(tt(we,f));return{first:fe(Math.ceil(g/se)),last:fe(Math.floor((g+q)/se)-1)}},b=()=>a.current.scrollHeight-a.current.clientHeight,A=()=>performance.now()-$.current.at<Jr?$.current.before:b(),J=()=>{let{scrollTop:g,clientHeight:q}=a.current;i.value={...i.value,top:g,height:q},u.current=x()},re=g=>f.begins(f.indexOf(g))*se,ee=g=>{a.current.scrollTop=g,d.current=a.current.scrollTop,J()},V=g=>{l.value=!1,ee(Math.max(re(g)-a.current.clientHeight/2,0))},je=()=>{l.value=!0,ee(a.current.scrollHeight)},Me=()=>{a.current.scrollTop>0&&(l.value=!1)},Ee=()=>{let{scrollTop:g}=a.current;return g<d.current&&g<b()-se},At=()=>{let{scrollTop:g}=a.current;Ee()?l.value=!1:g>d.current&&g>A()-se&&(l.value=!0),d.current=g,J()};return me(()=>{$.current={before:$.current.now,now:b(),at:performance.now()},l.value&&Ee()&&(l.value=!1),l.value&&je()},[t,n===null,v,m.value,i.value.height]),me(()=>{if(l.value)return;let{first:g,last:q}=u.current;s!==null&&s>=g&&s<=q?V(s):ee(re(g))},[n===null,v]),me(()=>{let g=new ResizeObserver(()=>{let q=a.current.querySelector(".is-ruler .line-text"),fe=q.firstElementChild.getBoundingClientRect().width/ns,{clientHeight:we}=a.current;i.value={...i.value,height:we,columns:Math.max(Math.floor(q.clientWidth/fe),1)},l.peek()&&je()});return g.observe(a.current),()=>g.disconnect()},[]),{element:a,view:i,sticks:l,layout:f,toEnd:je,visible:x,show:V,measure:g=>{if(v===null)return;let q=!1;for(let fe of g.children){let we=Number(fe.dataset.number),an=f.indexOf(we),ln=Math.max(Math.round(fe.offsetHeight/se),1);ln!==f.begins(an+1)-f.begins(an)&&(p.current.rows.set(we,ln),q=!0)}q&&(m.value+=1)},handlers:{onScroll:At,onWheel:({deltaY:g})=>g<0&&Me(),onTouchMove:Me,onKeyDown:({key:g})=>Vr.includes(g)&&Me()}}}var Kr=8;function Yr(e,t,n){let s=te(()=>n&&new Se(n),[e,n]),r=h(0);return F(()=>{if(s===null)return;let a,i=()=>{let l=performance.now(),d=s.advance(e,()=>performance.now()-l>Kr);r.value+=1,d||(a=setTimeout(i))};return i(),()=>clearTimeout(a)},[s,t]),r.value>=0&&s!==null?s.hits:[]}async function zr(e,t){let n=[];for await(let{piece:r}of he(`/job-runs/${e}/logs`,[["attempt",t]]))n.push(r);let s=document.createElement("a");s.href=URL.createObjectURL(new Blob(n,{type:"text/plain"})),s.download=`${e}-${t}.log`,s.click(),URL.revokeObjectURL(s.href)}var Zr=1e3,Xr=80;function Qr(e,t){let n=()=>({log:new ge,version:0,isGrowing:!0,error:null}),s=h(n());return F(()=>{let r=new AbortController;s.value=n();let{log:a}=s.value,i=l=>s.value={...s.value,version:s.value.version+1,...l};return eo(e,t,a,r.signal,i),()=>r.abort()},[e,t]),s.value}async function eo(e,t,n,s,r){let a=0,i,l=()=>{i=void 0,s.aborted||r({error:null})};for(;!s.aborted;)try{let d=[["attempt",t],["offset",a],["follow",!0]];for await(let{piece:u,bytes:$}of he(`/job-runs/${e}/logs`,d,s))n.add(u),a+=$,i??=setTimeout(l,Xr);if(clearTimeout(i),s.aborted)return;n.finish(),r({error:null,isGrowing:!1});return}catch(d){if(s.aborted)return;let u=G(d),$=u.status!==void 0&&u.status>=400&&u.status<500;if(r($?{error:u,isGrowing:!1}:{error:u}),$)return;await new Promise(p=>setTimeout(p,Zr))}}var to=1e3,no=4,so=3;function ss({runs:e}){let t=c.failures.logs,n=h(""),s=h(null),r=E(null);return F(()=>()=>r.current?.abort(),[]),o`<section class="stack">
		<form class="group" role="search" onSubmit=${i=>{i.preventDefault(),r.current?.abort(),r.current=new AbortController,oo(e,n.value,r.current.signal,l=>s.value=l)}}>
			<input type="search" required aria-label=${t.search} placeholder=${t.search} value=${n.value}
				onInput=${H(n)} />
			<button>${t.go}</button>
		</form>
		${s.value&&o`<${ro} ...${s.value} count=${e.length} />`}
	</section>`}function ro({sought:e,results:t,count:n}){let s=c.failures.logs,r=t.filter(l=>l!==void 0),a=r.filter(({hits:l})=>l),i=r.filter(({hits:l})=>l===null).length;return o`<p class="quiet" role="status">
			${s.searched(a.length,r.length,n)}${i>0&&` ${s.unread(i)}`}
		</p>
		<ul class="stack found-logs">
			${a.map(({run:l,hits:d,lines:u})=>o`<li key=${l.id}>
				<p><${I} id=${l.id} /> · <${O}
					to=${{view:"run",id:l.id,tab:"log",words:[["attempt",l.attempt],["find",e]]}}>
					${s.hits(d??0)}<//></p>
				<pre class="json" tabindex="0"><code>${u.map($=>o`${$.map(st)}${`
`}`)}</code></pre>
			</li>`)}
		</ul>`}async function oo(e,t,n,s){let r=nt(t);if(!r)return;let a=Array.from(e,()=>{}),i=0,l=async()=>{for(;i<e.length&&!n.aborted;){let d=i;i+=1;let u=await ao(e[d],r,n);if(n.aborted)return;a[d]=u,s({sought:t,results:[...a]})}};s({sought:t,results:a}),await Promise.all(Array.from({length:no},l))}async function ao(e,t,n){if(e.attempt===0)return{run:e,hits:0,lines:[]};let s=new ge;try{let i=[["attempt",e.attempt],["last",to]];for await(let{piece:l}of he(`/job-runs/${e.id}/logs`,i,n))s.add(l)}catch{return{run:e,hits:null,lines:[]}}s.finish();let r=new Se(t);r.advance(s,()=>!1);let{hits:a}=r;return{run:e,hits:a.length,lines:a.slice(0,so).map(i=>Ne(s.line(i),t))}}var io=["open","resolved","ignored"];function lo(){let{words:e,id:t}=T.value,n=Object.fromEntries(e),s=n.status??"open",r=y(l=>rs(t,s,n.job,l),[t,s,n.job]);P("failures",r.again);let a=l=>U({id:"",words:[["status",l],...e.filter(([d])=>d!=="status")]}),i=l=>rs("",s,n.job,void 0,l);return o`<div class="screen-head">
			<h1>${c.failures.title}</h1>
			<div class="group" role="group" aria-label=${c.runs.columns.status}>
				${io.map(l=>o`
					<button key=${l} aria-pressed=${!t&&l===s} onClick=${()=>a(l)}>${l}</button>
				`)}
			</div>
		</div>
		<${S} asked=${r}>
			${({rows:l})=>o`<${uo} groups=${l} asked=${r} load=${i} />`}
		<//>`}async function rs(e,t,n,s,r=null){return e?{rows:[await co(e,s)],next:null}:ce("/failures",[["status",t],["job",n],...R.value],r,s)}async function co(e,t){if(_.value==="")return(await w(`/failures/${e}`,[],t)).data;let{data:n}=await w("/failures",R.value,t),s=n.find(({fingerprint:r})=>r===e);if(!s)throw new cn(404,"failure_not_found",c.failures.notThen);return s}function uo({groups:e,asked:t,load:n}){let s=fo(e);return e.length===0?o`<${L} title=${c.failures.empty} hint=${c.failures.emptyHint} />`:o`<ul class="stack">
			${e.map(r=>o`
				<${vo} key=${r.fingerprint} group=${r} trend=${s.get(r.fingerprint)} again=${t.again}
					isOpen=${T.value.id===r.fingerprint} />
			`)}
		</ul>
		<${$e} asked=${t} load=${n} />`}var $o=864e5,rt=18e5,po=1e4,os=100;function fo(e){let t=e.map(({fingerprint:s})=>s);return y(s=>mo(t,s),[t.toSorted().join(",")],{everyMs:po}).answer??new Map}async function mo(e,t){if(_.value||e.length===0)return new Map;let n=[];for(let u=0;u<e.length;u+=os)n.push(e.slice(u,u+os));let s=Math.ceil(Date.now()/rt)*rt,[r,a]=[s-$o,s].map(u=>new Date(u).toISOString()),i={from:r,to:a,bucketMs:rt},l=await Promise.all(n.map(u=>w("/failures/over-time",[["group",u.join(",")],["from",r],["bucketMs",rt]],t))),d=({fingerprint:u,since:$,buckets:p})=>{let m=p.reduce((v,{failures:f})=>v+f,0);return[u,{buckets:Tn(p,i),failed:m,isWhole:Date.parse($)<=Date.parse(r),since:$}]};return new Map(l.flatMap(({data:u})=>u).map(d))}var ho={open:["resolve","ignore"],resolved:["reopen"],ignored:["reopen"]},It=Fe("");function vo({group:e,trend:t,again:n,isOpen:s}){let r=h(s),{fingerprint:a,title:i,job:l,reason:d,frame:u,status:$,count:p,recovered:m,firstAt:v,lastAt:f,affectedVersions:x,sampleRun:b}=e,A=c.failures,J=V=>D(()=>N(`/failures/${a}/${V}`).then(n),A.done[V]),re=({target:V})=>r.value=V.open,ee=[["failureGroup",a]];return o`<li class="card stack">
		<div class="screen-head">
			<${j} status=${$} />
			<h2 class="failure-title">${i}</h2>
			${M.value&&o`<div class="actions">
				${$==="open"&&o`
					<button onClick=${()=>It.value=a}>${A.retryAll} …</button>
				`}
				${ho[$].map(V=>o`<button key=${V} onClick=${()=>J(V)}>${A[V]}</button>`)}
			</div>`}
		</div>
		<p>
			<${z} slug=${l} /> · <code>${d}</code> ${u&&o`· <code>${u}</code>`} ·${" "}
			${A.versions(x)}
		</p>
		<p>
			<strong>${A.times(p)}</strong>${m>0&&`, ${A.recovered(m)}`} ·${" "}
			${A.first} <${k} at=${v} /> · ${A.last} <${k} at=${f} /> · ${A.sample}:${" "}
			<${I} id=${b} /> · <${O} to=${{view:"runs",words:ee}}>${c.runs.title}<//>
		</p>
		${t&&o`<p><${Ze} buckets=${t.buckets} /> <small>${t.isWhole?A.day(t.failed):A.since(t.failed,Q(t.since))}</small></p>`}
		<details open=${s} onToggle=${re}>
			<summary>${A.details}</summary>
			${r.value&&o`<${wo} group=${e} />`}
		</details>
		${It.value===a&&o`
			<${Xe} action="retry" words=${[["job",l],...ee,["retried","false"]]} onClose=${()=>It.value=""} />
		`}
	</li>`}var bo=50,as=30,go=1e3;function wo({group:e}){let{fingerprint:t,lastAt:n}=e,s=[["failureGroup",t],["limit",bo],...R.value],r=y(async a=>(await w("/job-runs",s,a)).data.map(({run:i})=>i),[t],{newer:[n]});return o`<${S} asked=${r}>
		${a=>o`<${yo} runs=${a} lastAt=${Date.parse(n)} />`}
	<//>`}function yo({runs:e,lastAt:t}){let n=c.failures;if(e.length===0)return o`<${L} title=${n.noRuns} hint=${n.noRunsHint} />`;let s=Math.min(...e.map(({completedAt:i})=>i?Date.parse(i):t)),r=Math.max((t-s)/(as-1),go),a=_n(e,t,as,r);return o`<div class="stack">
		<${kn} buckets=${a} text=${n.trend(e.length,C(t-s))}
			told=${({all:i})=>n.times(i)} />
		<${ie} runs=${e.slice(0,10)} isBrief />
		<${ss} runs=${e} />
	</div>`}function ot(e){let t=c.jobs.limitOf,{maxConcurrentRuns:n,concurrencyKey:s,concurrencyLimit:r,rateLimit:a,fairnessKey:i,workerLabels:l}=e,d=Object.entries(l??{}).map(([u,$])=>`${u}=${$}`);return[n&&t.runs(n),s&&t.key(s,r),a&&t.rate(a.limit,C(a.periodMs)),i&&t.turns(i),...d].filter(u=>typeof u=="string")}var ko=["id","slug","version","createdAt","updatedAt","paused"];function ls(e){return Object.fromEntries(Object.entries(e).filter(([t])=>!ko.includes(t)))}function cs(e,t){let n=[...new Set([...Object.keys(e),...Object.keys(t)])],s=r=>JSON.stringify(e[r])!==JSON.stringify(t[r]);return Object.fromEntries(n.filter(s).map(r=>[r,t[r]??null]))}var xo=["job_definition.registered","job_definition.registered_again"];function us(e){let t={};return e.map(({position:s,type:r,occurredAt:a,actor:i,data:l})=>{let d=t;xo.includes(r)?t=l.spec??{}:r==="job_definition.revised"&&(t={...t,...l.changes});let u=r==="job_definition.registered"?[]:Lt(d,t),$=r.replace("job_definition.","").replaceAll("_"," "),{version:p,reason:m=null}=l;return{position:s,kind:$,version:p,at:a,by:i,reason:m,changes:u}}).reverse()}var Oo=new Set(["id","createdAt","updatedAt","scheduledAt","startedAt","completedAt","logsUrl","idempotencyKey"]);function Lt(e,t){let n=[],s=new Set([...Object.keys(e),...Object.keys(t)]);for(let r of s)Oo.has(r)||$s(r,e[r],t[r],n);return n}function $s(e,t,n,s){if(is(t)&&is(n)&&Array.isArray(t)===Array.isArray(n)){let r=new Set([...Object.keys(t),...Object.keys(n)]);for(let a of r)$s(`${e}.${a}`,t[a],n[a],s)}else Object.is(t,n)||s.push({path:e,before:t,after:n})}var is=e=>typeof e=="object"&&e!==null;var So=["string","integer","number","boolean"];function Dt(e){let t=at("",e??{},!0,e??{},0);return t.kind==="json"&&Ao(e??{})?{...t,kind:"object",fields:[]}:t}var Ao=e=>Object.keys(e).every(t=>["type","title","description","$schema","$defs"].includes(t));function at(e,t,n,s,r){let{schema:a,isNullable:i}=To(Pt(t,s),s),l={name:e,title:e,hint:"",kind:"json",isRequired:n,isNullable:i};if(!a||r>6)return l;let{title:d=e,format:u,type:$}=a,p={...l,title:d,hint:[a.description,...Eo(a)].filter(Boolean).join(" \xB7 "),..."default"in a&&{initial:a.default},isSecret:a.writeOnly===!0||u==="password"},m=a.enum??("const"in a?[a.const]:void 0);if(m)return{...p,kind:"choice",choices:m};let v=a.oneOf??a.anyOf;if(v&&!a.properties)return jo(p,v,s,r);if(v||a.allOf||a.patternProperties||a.prefixItems)return p;if($==="string")return{...p,kind:$,format:u,isLong:!u&&!((a.maxLength??1/0)<=100)};if(So.includes($))return{...p,kind:$};if(a.properties){let f=a.required??[],x=Object.entries(a.properties).map(([b,A])=>at(b,A,f.includes(b),s,r+1));return{...p,kind:"object",fields:x.sort((b,A)=>Number(A.isRequired)-Number(b.isRequired))}}return $==="array"&&a.items?{...p,kind:"array",item:{...at("",a.items,!0,s,r+1),title:""}}:p}function jo(e,t,n,s){let r=t.map((a,i)=>{let l=at(e.name,a,!0,n,s+1),d=(l.fields??[]).filter(({kind:$,choices:p})=>$==="choice"&&p?.length===1),u=l.title!==e.name&&l.title?l.title:d[0]?.choices?.[0]??Mo(l);return{...l,title:String(u||i+1)}});return{...e,kind:"union",options:r}}var Mo=({kind:e,choices:t})=>t?t.map(String).join(", "):e;function Eo(e){let t=(d,u,$)=>d!==void 0&&u!==void 0?`${d} to ${u}${$}`:d!==void 0?`at least ${d}${$}`:u!==void 0?`at most ${u}${$}`:"",{minimum:n,maximum:s,exclusiveMinimum:r,exclusiveMaximum:a,multipleOf:i,pattern:l}=e;return[t(n,s,""),r!==void 0&&`more than ${r}`,a!==void 0&&`less than ${a}`,i!==void 0&&`a multiple of ${i}`,t(e.minLength,e.maxLength," characters"),t(e.minItems,e.maxItems," entries"),l!==void 0&&`as ${l}`].filter(Boolean)}function Pt(e,t,n=0){if(typeof e!="object"||e===null)return{};if(!e.$ref)return e;let r=(e.$ref==="#"?[]:e.$ref.startsWith("#/")?e.$ref.slice(2).split("/"):null)?.reduce((a,i)=>a?.[i.replaceAll("~1","/").replaceAll("~0","~")],t);return!r||n>6?null:{...Pt(r,t,n+1),...e,$ref:void 0}}function To(e,t){if(!e)return{schema:null,isNullable:!1};let n=e.anyOf?"anyOf":"oneOf",s=Array.isArray(e.type)?e.type.map(u=>({type:u})):e[n];if(!s)return{schema:e,isNullable:!1};let r=s.filter(({type:u})=>u!=="null"),a=r.length<s.length,{[n]:i,type:l,...d}=e;return r.length===1?{schema:{...Pt(r[0],t),...d},isNullable:a}:{schema:{...d,anyOf:r},isNullable:a}}function Ie(e,t){if(t===void 0)return!0;if(t===null)return e.isNullable||e.kind==="json";switch(e.kind){case"string":return typeof t=="string";case"integer":return Number.isSafeInteger(t);case"number":return typeof t=="number";case"boolean":return typeof t=="boolean";case"choice":return!!e.choices?.some(n=>_o(n,t));case"array":return Array.isArray(t);case"union":return!!e.options?.some(n=>Ht(n,t));case"object":return typeof t=="object"&&!Array.isArray(t);default:return!0}}var _o=(e,t)=>JSON.stringify(e)===JSON.stringify(t);function Ht(e,t){return t===void 0||!Ie(e,t)?!1:e.kind!=="object"||t===null?!0:(e.fields??[]).every(n=>t[n.name]===void 0?!n.isRequired:Ie(n,t[n.name]))}var ds=(e,t)=>Object.keys(t??{}).filter(n=>!e.fields?.some(s=>s.name===n));function it(e){if(e.initial!==void 0)return e.initial;switch(e.kind){case"choice":return e.choices?.[0];case"string":return"";case"integer":case"number":return 0;case"boolean":return!1;case"array":return[];case"object":return lt(e);case"union":return e.options?.[0]?it(e.options[0]):null;default:return null}}function lt(e){let t=(e.fields??[]).map(n=>n.initial!==void 0?[n.name,n.initial]:n.isRequired&&n.kind==="choice"&&n.choices?.length===1?[n.name,n.choices[0]]:n.isRequired&&n.kind==="object"?[n.name,lt(n)]:[n.name,void 0]);return Object.fromEntries(t.filter(([,n])=>n!==void 0))}function Le(e){return typeof e=="number"?Number.isInteger(e)&&!Number.isSafeInteger(e):typeof e=="object"&&e!==null&&Object.values(e).some(Le)}function De(e){try{let t=JSON.parse(e);return typeof t=="object"&&!Array.isArray(t)?t:null}catch{return null}}function ps(e,t,n){let{[t]:s,...r}=e;return n===void 0?r:{...e,[t]:n}}function fs(e,t){let n=`/parameters${t}`;return e.filter(s=>s.path===n).map(({message:s})=>s)}function ct({job:e,origin:t,onLaunched:n=()=>{}}){let s=c.jobs,r=h({typed:t?.parameters,raw:null}),a=h(t?Co(t,e):{}),i=h({message:"",issues:[]}),l=E({body:"",key:""}),d=$=>r.value=$;return o`<form class="stack launch" onSubmit=${async $=>{$.preventDefault();let p=ut(r.value,e);if(i.value={message:p?"":s.badJson,issues:[]},!!p)try{let m={...No(a.value,t),parameters:p},v=JSON.stringify(m);l.current.body!==v&&(l.current={body:v,key:ne()});let{data:f}=await N(`/jobs/${e.slug}/run`,m,{"Idempotency-Key":l.current.key});W(s.launched(f.id)),n(),B({view:"run",id:f.id})}catch(m){let{message:v,issues:f=[]}=G(m);i.value={message:m instanceof SyntaxError?s.badContext:v,issues:f},Bt($.target)}}} noValidate>
		${t&&o`<p class="quiet">${s.rerunOf} <${I} id=${t.id} /></p>`}
		<${Ut} job=${e} draft=${r.value} onChange=${d}
			issues=${i.value.issues} isWrong=${i.value.message!==""} />
		<${Io} options=${a} issues=${i.value.issues} />
		${i.value.message&&o`<p class="problem" role="alert">${i.value.message}</p>`}
		<div class="actions"><button class="main">${s.launch}</button></div>
	</form>`}var Bt=e=>requestAnimationFrame(()=>e.querySelector("[aria-invalid]")?.focus());function ut({typed:e,raw:t},n){return t!==null?De(t):e??{...lt(Dt(n?.parametersSchema)),...Ro(n?.defaultParameters)}}function Ut({job:e,draft:t,onChange:n,issues:s,isWrong:r}){let a=c.jobs,i=Dt(e.parametersSchema),l=i.kind==="union"||i.kind==="object"&&i.fields?.length,d=t.raw!==null||!l,u=ut(t,e),$=t.raw??JSON.stringify(u,null,2),p=u===null,m=({target:x})=>{x.checked?n({...t,raw:$}):p||n({typed:u,raw:null})},v=({target:x})=>n({...t,raw:x.value}),f=x=>n({typed:x,raw:null});return o`
		${l&&o`
			<label class="check"><input type="checkbox" checked=${d} disabled=${p} onChange=${m} />${a.raw}</label>
		`}
		${d?o`<textarea rows="10" aria-label=${c.run.parameters} aria-invalid=${r||p?"true":void 0}
				value=${$} onInput=${v}></textarea>`:o`<${i.kind==="union"?ws:vs} field=${i} value=${u} path="" common=${{id:"field"}}
				issues=${s} onChange=${f} />`}
		${Le(u)&&o`<p class="note" role="status">${a.rounded}</p>`}
	`}function Ro(e){return Object.fromEntries(Object.entries(e??{}).filter(([,t])=>t!==null))}var qt=["delayMs","timeoutMs","maxAttempts","priority","startDeadlineMs"];function Co(e,t){let{retryOf:n,rerunOf:s,...r}=e.context??{},a=(i,l)=>i==null||i===l?"":String(i);return{delayMs:e.scheduledAt>e.createdAt?String(Date.parse(e.scheduledAt)-Date.parse(e.createdAt)):"",timeoutMs:a(e.timeoutMs,t.timeoutMs),maxAttempts:a(e.maxAttempts,t.retryPolicy?.maxAttempts??1),priority:a(e.priority,t.priority??0),startDeadlineMs:a(e.startDeadlineMs,t.startDeadlineMs),context:Object.keys(r).length>0?JSON.stringify(r,null,2):""}}function No(e,t){let n=qt.filter(r=>(e[r]??"")!=="").map(r=>[r,Number(e[r])]),s=e.context?De(e.context):{};if(s===null)throw new SyntaxError("the context is no JSON object");return t&&(s.rerunOf=t.id),{...Object.fromEntries(n),...Object.keys(s).length>0&&{context:s}}}function Io({options:e,issues:t}){let n=c.jobs.options,s=i=>t.filter(({path:l})=>l===`/${i}`).map(({message:l})=>l),r=i=>({target:l})=>e.value={...e.value,[i]:l.value},a=Object.values(e.value).some(Boolean);return o`<details open=${a||[...qt,"context"].some(i=>s(i).length>0)}>
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
	</details>`}function vs({field:e,value:t,path:n,issues:s,onChange:r}){let a=i=>l=>r(ps(t??{},i,l));return o`
		${(e.fields??[]).map(i=>o`<${Ft} key=${i.name} field=${i} value=${t?.[i.name]}
			path=${`${n}/${ms(i.name)}`} issues=${s} onChange=${a(i.name)} />`)}
		${ds(e,t).map(i=>o`<${Ft} key=${i} field=${Lo(i)} value=${t[i]}
			path=${`${n}/${ms(i)}`} issues=${s} onChange=${a(i)} />`)}
	`}var ms=e=>e.replaceAll("~","~0").replaceAll("/","~1"),Lo=e=>({name:e,title:e,hint:c.jobs.unlisted,kind:"json",isRequired:!1,isNullable:!0});function Ft({field:e,value:t,path:n,issues:s,onChange:r}){let a=fs(s,n),i=`field${n}`,l=[e.hint&&`${i}-hint`,a.length>0&&`${i}-wrong`].filter(Boolean).join(" ")||void 0,d={id:i,"aria-describedby":l,"aria-invalid":a.length>0?"true":void 0,"aria-required":e.isRequired},u=Ie(e,t)?e.kind:"json",$=["object","array","union"].includes(u),p=o`<${bs[u]}
		field=${e} value=${t} path=${n} issues=${s} common=${d} onChange=${r} />`,m=o`<bdi>${e.title}</bdi> ${e.isRequired&&o`<small>${c.jobs.required}</small>`}`;return o`<div class="field">
		${$?o`<fieldset aria-describedby=${l}><legend>${m}</legend>${p}</fieldset>`:o`<label for=${i}>${m}</label>${p}`}
		${e.hint&&o`<small id=${`${i}-hint`}>${e.hint}</small>`}
		${a.length>0&&o`<p class="problem" id=${`${i}-wrong`}>${a.join("; ")}</p>`}
	</div>`}var bs={string:Po,integer:hs,number:hs,boolean:Ho,choice:gs,object:vs,array:qo,union:ws,json:Fo},Do={date:"date",email:"email",uri:"url"};function Po({field:e,value:t,common:n,onChange:s}){let r=({target:i})=>s(i.value===""&&!e.isRequired?void 0:i.value);if(e.isSecret)return o`<input ...${n} type="password" autocomplete="new-password" value=${t??""} onInput=${r} />`;if(e.isLong||/[\r\n]/.test(t??""))return o`<textarea ...${n} class="growing" rows="1" value=${t??""} onInput=${r}></textarea>`;if(e.format==="date-time")return o`<${Wt} value=${t} common=${n} set=${r} onChange=${s} />`;let a=e.format!=="date"||/^(\d{4}-\d\d-\d\d)?$/.test(t??"");return o`<input
		...${n} type=${a?Do[e.format??""]??"text":"text"} value=${t??""} onInput=${r} />`}function Wt({value:e,common:t,set:n,onChange:s}){let r=({target:a})=>a.value&&s(new Date(a.value).toISOString());return o`<div class="group">
		<input ...${t} value=${e??""} placeholder="2026-12-24T18:00:00Z" onInput=${n} />
		<input type="datetime-local" step="1" aria-label=${c.jobs.pick} title=${c.jobs.pick} onChange=${r} />
	</div>`}function hs({field:e,value:t,common:n,onChange:s}){let r=({target:a})=>s(a.value===""?void 0:a.valueAsNumber);return o`<input
		...${n} type="number" step=${e.kind==="integer"?1:"any"} value=${t??""} onInput=${r} />`}function Ho(e){let{field:t,value:n,common:s,onChange:r}=e;return n==null?o`<${gs} ...${e} field=${{...t,choices:[!0,!1]}} />`:o`<input ...${s} type="checkbox" checked=${n} onChange=${({target:i})=>r(i.checked)} />`}function gs({field:{choices:e=[],isRequired:t},value:n,common:s,onChange:r}){let a=e.findIndex(l=>JSON.stringify(l)===JSON.stringify(n));return o`<select ...${s} value=${a} onChange=${({target:l})=>r(l.value==="-1"?void 0:e[Number(l.value)])}>
		${(a<0||!t)&&o`<option value="-1">–</option>`}
		${e.map((l,d)=>o`
			<option key=${d} value=${d}>${typeof l=="string"?l:JSON.stringify(l)}</option>
		`)}
	</select>`}function qo({field:e,value:t,path:n,issues:s,onChange:r}){let a=e.item,i=t??[],l=(d,u)=>r(i.map(($,p)=>p===d?u:$));return o`${i.map((d,u)=>o`<div class="array-item" key=${u}>
			<${Ft}
				field=${{...a,title:`${u+1}`}} value=${d} path=${`${n}/${u}`}
				issues=${s} onChange=${$=>l(u,$??null)} />
			<button type="button" class="plain" onClick=${()=>r(i.filter(($,p)=>p!==u))}>
				${c.jobs.remove}
			</button>
		</div>`)}
		<button type="button" onClick=${()=>r([...i,it(a)])}>${c.jobs.item}</button>`}function ws({field:e,value:t,path:n,issues:s,common:r,onChange:a}){let{options:i=[]}=e,l=i.findIndex(m=>Ht(m,t)),d=h(l),u=l<0?d.value:l,$=i[u],p=({target:m})=>{d.value=Number(m.value),a(d.value<0?void 0:it(i[d.value]))};return o`
		<select aria-label=${`${e.title} ${c.jobs.kind}`.trim()} value=${u} onChange=${p}>
			${(u<0||!e.isRequired)&&o`<option value="-1">–</option>`}
			${i.map(({title:m},v)=>o`<option key=${v} value=${v}>${m}</option>`)}
		</select>
		${$&&o`<${bs[Ie($,t)?$.kind:"json"]} key=${u}
			field=${$} value=${t} path=${n} issues=${s} common=${r} onChange=${a} />`}
	`}function Fo({value:e,common:t,onChange:n}){return o`<textarea ...${t} rows="3" onChange=${({target:r})=>{try{n(JSON.parse(r.value))}catch{n(r.value===""?void 0:r.value)}}}
		defaultValue=${e===void 0?"":JSON.stringify(e,null,2)}></textarea>`}var Bo=50,ys={runs:ks,launch:Jo,definition:Go,versions:Xo,revise:Vo};function Uo(){let{id:e}=T.value,t=y(async r=>(await w(`/jobs/${e}`,[["limit",Bo],...R.value],r)).data,[e]),{job:n,runs:s=[]}=t.answer??{};return P("jobs",t.again,r=>n!==void 0&&r.has(n.slug)),P("runs",t.again,r=>[...r.values()].some(({slug:a,createdAt:i,id:l})=>a===n?.slug&&i>=(s[0]?.createdAt??"")&&s.every(d=>d.id!==l))),o`<${S} asked=${t} lines=${8}>
		${r=>o`<${Wo} job=${r.job} runs=${r.runs} again=${t.again} />`}
	<//>`}function Wo({job:e,runs:t,again:n}){let{tab:s}=T.value,r=ys[s]??ks;return o`<div class="screen-head">
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
		<${ta} job=${e} />
		<${Je} tabs=${c.jobs.tabs} current=${ys[s]?s:"runs"} />
		<${r} job=${e} runs=${t} again=${n} />`}function ks({job:e,runs:t}){let n=X(t,"runs",({id:s})=>s);return o`<${In} job=${e.slug} />
		<section class="card stack">
			<h2>${c.jobs.durations}</h2>
			<${Yo} runs=${n} />
		</section>
		<div class="screen-head">
			<h2>${c.jobs.runs}</h2>
			<div class="actions"><${O} to=${{view:"runs",words:[["job",e.slug]]}}>${c.runs.title}<//></div>
		</div>
		<${ie} runs=${n} isOfOneJob />`}function Jo({job:e}){return M.value?o`<section class="card"><${ct} job=${e} key=${e.slug} /></section>`:o`<${be} />`}function Vo({job:e,again:t}){return o`<${ea} job=${e} again=${t} key=${e.version} />`}function Go({job:e}){let t=ot(e);return o`<dl class="facts card">
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
		</div>`}var Jt=1e3,Vt=100,Ko=2;function Yo({runs:e}){let t=Rn(e);if(t.length<Ko)return o`<p class="quiet">${c.jobs.needMore}</p>`;let[n,s,r]=[.5,.95,.99].map(a=>C(Cn(t,a)));return o`<p>${c.jobs.percentiles(n,s,r)}</p>
		<${zo} ...${Nn(e)} />`}function zo({points:e,first:t,last:n,longest:s}){return o`<figure class="plot" aria-hidden="true">
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
	</figure>`}var Zo=1e3;function Xo({job:e}){let t=[["subject",e.id]],n=y(async s=>us((await ue("/events",t,s,Zo)).filter(Te)),[e.id],{newer:[e.version,e.paused?.at]});return o`<${S} asked=${n}>
		${s=>o`<ol class="events">
			${s.map(r=>o`<${Qo} key=${r.position} change=${r} />`)}
		</ol>`}
	<//>`}function Qo({change:e}){let{kind:t,version:n,at:s,by:r,reason:a,changes:i}=e;return o`<li class="card">
		<header>
			<h2>${t} ${n&&c.jobs.versionOf(n)}</h2>
			<span class="quiet"><${k} at=${s} full /> · <bdi>${r}</bdi></span>
		</header>
		${a&&o`<p>${a}</p>`}
		${i.length>0&&o`<${We} found=${i} />`}
	</li>`}function ea({job:e,again:t}){let n=ls(e),s=h(JSON.stringify(n,null,2)),r=h({message:"",issues:[]}),a=c.jobs;if(!M.value)return o`<${be} />`;let i=async u=>{u.preventDefault();try{let $=cs(n,JSON.parse(s.value));if(Object.keys($).length===0){r.value={message:a.unchanged,issues:[]};return}let{data:p}=await oe("PATCH",`/jobs/${e.slug}`,{...$,version:e.version+1});W(a.revised(p.version)),t(),B({view:"job",id:e.slug,tab:"versions"})}catch($){let{message:p,issues:m=[]}=G($);r.value={message:$ instanceof SyntaxError?a.badJson:p,issues:m}}},{message:l,issues:d}=r.value;return o`<form class="card stack" onSubmit=${i}>
		<p class="quiet">${a.revisionHint}</p>
		<textarea rows="22" aria-label=${a.definition}
			aria-invalid=${l?"true":void 0} aria-describedby=${l?"revision-problem":void 0}
			value=${s.value} onInput=${H(s)}></textarea>
		${Le(De(s.value))&&o`<p class="note" role="status">${a.rounded}</p>`}
		${l&&o`<div id="revision-problem" class="problem" role="alert">
			<p>${l}</p>
			${d.length>1&&o`<ul>${d.map(({path:u,message:$})=>o`<li key=${u+$}><code>${u}</code> ${$}</li>`)}</ul>`}
		</div>`}
		<div class="actions"><button class="main">${a.revise}</button></div>
	</form>`}function ta({job:e}){let{slug:t}=e,s=y(r=>w("/job-runs/counts",[["job",t],...R.value],r),[t]);return P("runs",s.again,r=>[...r.values()].some(a=>a.slug===t)),o`<${S} asked=${s} lines=${1}>${({data:r})=>o`<${na} counts=${r} job=${e} />`}<//>`}function na({counts:e,job:t}){let{slug:n,maxConcurrentRuns:s}=t,r=s&&c.jobs.used(e.running,s),a=i=>[["job",n],["status",i]];return o`<ul class="standing">
		${Ke.map(i=>o`<li key=${i}>
			<${O} to=${{view:"runs",words:a(i)}}><${j} status=${i} /><//> ${ke(e[i])}
		</li>`)}
		${s&&o`<li>
			<meter min="0" max=${s} value=${e.running} aria-label=${r}></meter> <small>${r}</small>
		</li>`}
	</ul>`}function sa(){let e=y(ra,[]);return P("jobs",e.again),P("deletedJobs",e.again),P("failures",e.again),o`<div class="screen-head"><h1>${c.jobs.title}</h1></div>
		<${S} asked=${e}>${t=>o`<${oa} ...${t} />`}<//>`}async function ra(e){let{from:t,to:n,bucketMs:s}=En("24h",_e.value),r=[["from",t],["to",n],["bucketMs",s],["groupBy","job"],...R.value],[a,i,l]=await Promise.all([w("/jobs",R.value,e),ue("/failures",[["status","open"],...R.value],e),w("/job-runs/statistics",r,e)]),d=new Map;for(let{job:$}of i)d.set($,(d.get($)??0)+1);let u=new Map(Dn(l.data.buckets,l.meta).map($=>[$.slug,$]));return{jobs:a.data,failing:d,trends:u}}function oa({jobs:e,failing:t,trends:n}){let s=({slug:i})=>n.get(i.toLowerCase()),r=c.jobs.columns;if(e.length===0)return o`<${L} title=${c.jobs.empty} hint=${c.jobs.emptyHint} command=${c.jobs.emptyCommand} />`;let a=[{name:"first",title:r.job,cell:i=>o`<${z} slug=${i.slug}><strong>${i.name}</strong><//>${" "}
					<small class="id">${i.slug}</small>`},{name:"state",title:r.health,cell:i=>o`<${la} job=${i} failing=${t.get(i.slug)??0} />`},{name:"day",title:r.day,cell:i=>o`<${ia} trend=${s(i)} />`},{name:"took",title:r.took,cell:i=>aa(s(i))},{name:"version",title:r.version,cell:({version:i})=>i},{name:"limits",title:r.limits,cell:i=>o`<small>${ot(i).join(", ")||"\u2013"}</small>`},{name:"updated",title:r.updated,cell:({updatedAt:i})=>o`<${k} at=${i} />`}];return o`<${Z} label=${c.jobs.title} rows=${e} keyOf=${({slug:i})=>i} columns=${a} />`}var xs=6e4,aa=e=>e&&e.ended>0?Ln(e.buckets,"durationMs").join(" / "):"\u2013";function ia({trend:e}){if(!e||e.ended===0)return o`<span class="quiet">–</span>`;let{buckets:t,ended:n,failed:s,worse:r}=e,a=t.findLast(l=>l.ended>0),i=a&&C(Math.ceil((_e.value-Date.parse(a.at))/xs)*xs);return o`<span class="day"><${Ze} buckets=${t} />
		<small>${c.trends.day(n,s)}<br />${i&&c.trends.lastWithin(i)}</small></span>
		${r&&o`<strong class="worse">${c.trends.worse[r.what](r.factor,Q(r.since))}</strong>`}`}function la({job:e,failing:t}){return e.paused?o`<${j} status="paused" />`:t===0?o`<${j} status="ready" label=${c.schedules.active} />`:o`<${O} to=${{view:"failures",words:[["job",e.slug]]}}>
		<${j} status="failed" label=${c.jobs.failing(t)}
	/><//>`}var Os=(e,t)=>e===""&&t.after===void 0;function Ss({next:e,last:t},n){return e!==null&&n-t>500?n-30:t}function As(e,t,n,s){let r=t.next===null?Math.max(t.last,s):t.last,a=n>Math.max(e.last,e.next??0)?[]:e.events;return{next:t.next,last:r,events:[...a,...t.events].slice(-500)}}var ua=50,$a=1e3;function da(){let{words:e}=T.value,t=Object.fromEntries(e),n=h(!0),s=Os(_.value,t),r=s&&n.value,a=t.after??(s?Math.max(jt.peek()-30,0):0),i=y(l=>js({...t,after:a},l),[JSON.stringify(e),jt.value>0]);return o`<div class="screen-head">
			<h1>${c.log.title}</h1>
			<div class="actions">
				<label class="check">
					<input type="checkbox" checked=${r} disabled=${!s}
						onChange=${({target:l})=>n.value=l.checked} />${c.log.live}</label>
			</div>
		</div>
		<${va} given=${t} key=${JSON.stringify(e)} />
		<${S} asked=${i}>
			${l=>o`<${fa} page=${l} given=${t} asked=${i} isFollowing=${r} />`}
		<//>
		<section class="card stack">
			<${pa} />
			<p class="quiet">${c.log.verify}</p>
			<${bn} text=${c.log.verifyCommand} />
		</section>`}function pa(){let{answer:e}=y(t=>w("/events/seal",[],t),[],{everyMs:5e3});return e&&o`<p>${c.log.sealed(e.data)}</p>`}async function js(e,t){let n=$n(_.value),s=_.value&&n!==null?[["until",new Date(n).toISOString()]]:[],{data:r,meta:a}=await w("/events",[...Object.entries(e),["limit",ua],...s],t),l=_.value!==""&&n===null?r.filter(({position:u})=>u<=Number(_.value)):r,d=l.length<r.length;return{events:l,next:d?null:a.next,last:r.at(-1)?.position??Number(e.after)}}function fa({page:e,given:t,asked:n,isFollowing:s}){let r=async u=>{let $=ye.value.position,p=await js({...t,after:u});n.set(e,As(e,p,u,$))},{position:a}=ye.value,i=E(0),l=h(0);if(F(()=>{if(!s||a<=e.last||i.current===null)return;let $=setTimeout(()=>{i.current=null,r(Ss(e,a)).catch(()=>{}).finally(()=>{i.current=Date.now(),l.value+=1})},i.current+$a-Date.now());return()=>clearTimeout($)},[s,a,e,l.value]),e.events.length===0)return o`<${L} title=${c.log.empty} hint=${c.log.emptyHint} />`;let d=s?[...e.events].reverse():e.events;return o`<ol class="log-events">
			${d.map(u=>o`<${ma} key=${u.position} event=${u} />`)}
		</ol>
		${e.next!==null&&!s&&o`
			<${hn} text=${c.log.newer} load=${()=>r(e.next??e.last)} />
		`}`}function ma({event:e}){let{position:t,type:n,subject:s,occurredAt:r,actor:a,correlationId:i}=e,l=h(!1);return o`<li>
		<details onToggle=${({target:u})=>l.value=u.open}>
			<summary>
				<span class="position">${t}</span> <code class="event-type">${n}</code>
				<small class="id">${s.id}</small> <small><bdi>${a}</bdi> · <${k} at=${r} /></small>
			</summary>
			${l.value&&o`<div class="stack event-detail">
				<p class="group">
					${s.type==="job_run"&&o`<${O} to=${{view:"run",id:s.id}}>${c.views.run}<//>`}
					<${O} to=${{view:"log",words:[["subject",s.id],["after",0]]}}>${c.log.ofSubject}<//>
					${i&&o`<${O}
						to=${{view:"log",words:[["correlation",i],["after",0]]}}>
						${c.run.chain}
					<//>`}
					<${O} to=${{view:"overview",asOf:String(t)}}>${c.log.then}<//>
				</p>
				<${Y} value=${e} label=${c.log.show} />
			</div>`}
		</details>
	</li>`}var Gt=["type","subject","actor","after"],ha={type:"job_run.started",subject:"",actor:"worker:\u2026",after:"0"};function va({given:e}){return o`<form class="group log-filter" role="search" onSubmit=${n=>{n.preventDefault();let s=new FormData(n.target),a=Gt.map(i=>[i,String(s.get(i)).trim()]).filter(([,i])=>i!=="");U({words:e.correlation?[...a,["correlation",e.correlation]]:a})}}>
		${Gt.map(n=>o`<label key=${n}>
			${c.log[n]}
			<input name=${n} defaultValue=${e[n]??""} placeholder=${ha[n]}
				data-filter=${n===Gt[0]} />
		</label>`)}
		<button>${c.log.apply}</button>
		${e.correlation&&o`<span class="tag">correlation ${e.correlation}</span>`}
	</form>`}var ba=e=>JSON.stringify({parameters:e.parameters},null,2),$t=e=>`'${e.replaceAll("'","'\\''")}'`;function Yt(e){let{origin:t,pathname:n}=new URL(".",e);return t+n.slice(0,-1)}function Ms(e,t,n){return[`curl -X POST ${$t(`${Yt(t)}/jobs/${e.slug}/run`)}`,"-H 'Content-Type: application/json'",...n?['-H "Authorization: Bearer $APPHUB_TOKEN"']:[],`-d ${$t(ba(e))}`].join(` \\
  `)}function Es(e,t){let n=`apphub-jobs run ${e.slug} --url ${$t(Yt(t))} --params -`;return`printf %s ${$t(JSON.stringify(e.parameters))} |
  ${n}`}function Ts(e,t){return["from apphub_jobs import Client","",`with Client("${Yt(t)}") as client:`,`    run = client.launch("${e.slug}", ${Kt(e.parameters)})`,"    print(run.result())"].join(`
`)}function Kt(e){return e===null?"None":e===!0?"True":e===!1?"False":Array.isArray(e)?`[${e.map(Kt).join(", ")}]`:typeof e=="object"&&e?`{${Object.entries(e).map(([t,n])=>`${JSON.stringify(t)}: ${Kt(n)}`).join(", ")}}`:JSON.stringify(e)}function _s(e){let t=new Map,n=new Map,s=[];for(let{eventId:r,type:a,subject:i,occurredAt:l,causationId:d,data:u}of e){let $=ga(a),p=t.get(i.id);if(p)p.last=$;else{let m=n.get(d),v=m?.type??"";p={...i,app:u?.repository_id,at:l,last:$,cause:v,children:[]},t.set(i.id,p),(m?.subject.children??s).push(p)}n.set(r,{subject:p,type:$})}return s}var ga=e=>e.slice(e.lastIndexOf(".")+1).replaceAll("_"," ");var wa=/(^<|[\\/](site-packages|dist-packages|python3[^\\/]*|apphub_jobs)[\\/])/,ya=/^ {2}File "(?<file>[^"]+)", line (?<line>\d+), in (?<name>.+)$/;function Rs(e){let t=e.split(`
`);return t.flatMap((s,r)=>{let a=ya.exec(s)?.groups;if(!a||wa.test(a.file))return[];let i=t[r+1]??"",l=i.startsWith("    ")?i.trim():"";return[{file:a.file,line:Number(a.line),name:a.name,code:l}]}).reverse()}var Cs=e=>e.split(/[\\/]/).slice(-2).join("/");var dt=["failed","expired"],ka=50,xa=5e3;function Ns({run:e,related:t,worker:n}){let s=e.context?.stack;return o`<section class="card stack failure" aria-label=${c.run.failed.title}>
		<h2>${c.run.failed.title} <code class="quiet">${e.failureReason}</code></h2>
		${e.errorMessage&&o`<p class="error-message" tabindex="0"><code>${e.errorMessage}</code></p>`}
		<div class="cards">
			${typeof s=="string"&&o`<${Oa} stack=${s} />`}
			<${Ma} run=${e} related=${t} worker=${n} />
		</div>
		<${Sa} run=${e} />
		<div>
			<h3>${c.run.parameters}</h3>
			<${Y} value=${e.parameters} label=${c.run.parameters} />
		</div>
	</section>`}function Oa({stack:e}){let t=c.run.failed,n=Rs(e);return o`<div class="stack">
		${n.length>0&&o`<h3>${t.own}</h3>
			<ol class="frames">
				${n.map(({file:s,line:r,name:a,code:i},l)=>o`<li key=${l}>
					<span title=${s}>${Cs(s)}:${r}</span> <span class="quiet">${t.inside(a)}</span>
					${i&&o`<pre><code>${i}</code></pre>`}
				</li>`)}
			</ol>
		`}
		<details open=${n.length===0}>
			<summary>${t.traceback}</summary>
			<pre class="json" tabindex="0"><code>${e}</code></pre>
		</details>
	</div>`}function Sa({run:e}){let t=c.run.failed,n=y(s=>ja(e,s),[e.id,e.attempt]);return o`<div>
		<h3>${t.lastLines} · <${O} to=${{view:"run",id:e.id,tab:"log"}}>${t.wholeLog}<//></h3>
		<${S} asked=${n} lines=${3}>
			${s=>s?o`<${Aa} lines=${s} />`:o`<p class="quiet">${c.run.log.empty}</p>`}
		<//>
	</div>`}function Aa({lines:e}){let t=E(null);return F(()=>{t.current?.scrollTo(0,t.current.scrollHeight)},[e]),o`<pre class="json" tabindex="0" ref=${t}><code><${es} text=${e} /></code></pre>`}async function ja({id:e,attempt:t},n){if(t===0)return"";let s=[],r=[["attempt",t],["last",ka]];for await(let{piece:a}of he(`/job-runs/${e}/logs`,r,n))s.push(a);return s.join("").trimEnd()}var zt=({worker:e})=>o`<${O} to=${{view:"runs",words:[["worker",e]]}}><code>${e}</code><//>`;function Ma({run:e,related:t,worker:n}){let s=c.run.failed;return o`<div class="stack">
		${n&&o`<p>${c.run.worker}: <${zt} worker=${n} /></p>`}
		${_.value?o`<p class="note">${c.past.notHere}</p>`:o`<${Ea} related=${t} />`}
		<p>
			<${O} to=${{view:"runs",words:[["job",e.slug],["status","failed,expired"]]}}>${s.others(e.slug)}<//>
		</p>
	</div>`}function Ea({related:e}){let t=c.run.failed;return o`<${S} asked=${e} lines=${2}>${({failureGroup:s,retries:r})=>o`
		${s&&o`<p>
			${t.group}: <${O} to=${{view:"failures",id:s.fingerprint}}>${s.title}<//>,${" "}
			<strong>${c.failures.times(s.count+s.recovered)}</strong>
			${s.recovered>0&&`, ${c.failures.recovered(s.recovered)}`}
		</p>`}
		<p>${r.length>0?t.retried:t.notRetried}</p>
		<${Zt} runs=${r} />
	`}<//>`}var Zt=({runs:e})=>e.length>0&&o`<ul class="needs">
		${e.map(({id:t,status:n,createdAt:s})=>o`<li key=${t}>
			<${I} id=${t} /> <${j} status=${n} /> <small><${k} at=${s} /></small>
		</li>`)}
	</ul>`,Ta={failureGroup:null,retries:[],bulkOperation:null};function Is(e,t){let n=e.completedAt!==null,s=_.value===""&&(n||e.context?.retryOf!==void 0);return y(async r=>s?(await w(`/job-runs/${e.id}/related`,[],r)).data:Ta,[e.id,s],{newer:[t],everyMs:n?xa:void 0})}var pt={"job_run.succeeded":"succeeded","job_run.attempt_failed":"failed","job_run.attempt_timed_out":"timed_out","job_run.attempt_lost":"lost","job_run.handed_back":"handed_back","job_run.canceled":"canceled","job_run.start_deadline_passed":"expired"},Ls=["job_run.started",...Object.keys(pt)];function Ds(e,t){let n=[],s=null,r=(a,i)=>{s&&(n.push({...s,number:n.length,to:a,outcome:i,isOpen:!1}),s=null)};for(let{type:a,data:i,occurredAt:l}of e){let d=Date.parse(l);a==="job_run.requested"?s={kind:"wait",from:d}:a==="job_run.started"?(r(d),s={kind:"run",from:d,attempt:i.attempt,worker:i.worker_id}):pt[a]&&(r(d,pt[a]),i.retry_at?s={kind:"backoff",from:d}:a==="job_run.handed_back"&&(s={kind:"wait",from:d}))}return s&&n.push({...s,number:n.length,to:Math.max(t,s.from),isOpen:!0}),n}var _a=.6,Ra=.02;function Ps(e){let t=({from:u,to:$})=>Math.max($-u,1),n=e.filter(({kind:u})=>u==="run").reduce((u,$)=>u+t($),0),s=n>0?n*_a:1/0,r=e.map(u=>{let $=u.kind!=="run"&&t(u)>s;return{...u,isCollapsed:$,drawn:$?s:t(u)}}),a=r.reduce((u,$)=>u+$.drawn,0),i=r.map(u=>Math.max(u.drawn/a,Ra)),l=i.reduce((u,$)=>u+$,0),d=0;return r.map(({drawn:u,...$},p)=>{let m=i[p]/l,v={...$,start:d,width:m};return d+=m,v})}function Hs(e){let t=[];for(let{type:n,data:s}of e){let r=Ca(n,s,t.at(-1));r&&r!==t.at(-1)&&t.push(r)}return t}function Ca(e,t,n){return e==="job_run.requested"||e==="job_run.handed_back"?"pending":e==="job_run.started"?"running":e==="job_run.succeeded"?"succeeded":e==="job_run.canceled"?"canceled":e==="job_run.start_deadline_passed"?"expired":pt[e]?t.retry_at?"pending":e==="job_run.attempt_timed_out"?"expired":"failed":n}function tn({run:e,events:t,related:n}){let s=e.completedAt!==null,r=Ds(t,s?0:_e.value),a=r.filter(({kind:l})=>l==="run"),i=dt.includes(e.status);return o`
		${i&&o`<${Ns} run=${e} related=${n} worker=${a.at(-1)?.worker} />`}
		<div class="story">
			<div class="stack">
				${!i&&o`<${Ua} run=${e} />`}
				<section class="card stack">
					<h2>${c.run.timeline}</h2>
					<${Ia} segments=${r} />
					<${Na} attempts=${a} events=${t} known=${i?e.errorMessage:null} />
				</section>
			</div>
			<section class="card"><h2>${c.run.states}</h2><${Pa} path=${Hs(t)} /></section>
		</div>
	`}function Na({attempts:e,events:t,known:n}){if(e.length===0)return o`<p class="quiet">${c.run.noAttempts}</p>`;let s=c.run,r=new Map;for(let{data:{error_message:i},occurredAt:l}of t)i&&i!==n&&r.set(Date.parse(l),i);let a=[{name:"first",title:s.attempts,cell:({attempt:i=0})=>s.attempt(i)},{name:"status",title:c.runs.columns.status,cell:({isOpen:i,outcome:l})=>o`<${j} status=${i?"running":l} />`},{name:"took",title:c.runs.columns.took,cell:({from:i,to:l})=>C(l-i)},{name:"started",title:s.facts.started,cell:({from:i})=>o`<${k} at=${new Date(i).toISOString()} />`},{name:"worker",title:s.worker,cell:({worker:i})=>o`<${zt} worker=${i} />`},{name:"why",title:c.runs.columns.details,cell:({to:i,isOpen:l})=>l?"":r.get(i)}];return o`<${Z} label=${s.attempts} rows=${e} keyOf=${({number:i})=>i} columns=${a} />`}var Xt=1e3,Pe=44;function Ia({segments:e}){if(e.length===0)return null;let t=Ps(e),n=e[0].from,s=e[e.length-1].to;return o`<figure class="timeline">
		<svg viewBox="0 0 ${Xt} ${Pe}" preserveAspectRatio="none" role="img"
			aria-label=${t.map(Qt).join("; ")}>
			${t.map(r=>o`<${La} key=${r.number} place=${r} />`)}
		</svg>
		<ul class="timeline-legend" aria-hidden="true">
			${t.map(r=>o`
				<li key=${r.number}><span class="swatch ${qs(r)}"></span>${Qt(r)}</li>
			`)}
		</ul>
		<figcaption>
			<span>${Mt(n)}</span><span>${Mt(s)}</span>
		</figcaption>
	</figure>`}function La({place:e}){let{kind:t,start:n,width:s,isCollapsed:r}=e,a=t==="run"?Pe-8:12,i=n*Xt,l=Math.max(s*Xt-1,2);return o`<g class="segment ${qs(e)}">
		<title>${Qt(e)}</title>
		<rect x=${i} y=${(Pe-a)/2} width=${l} height=${a} />
		${r&&o`
			<path d=${`M${i+l/2-6} 4L${i+l/2-2} ${Pe-4}M${i+l/2+2} 4L${i+l/2+6} ${Pe-4}`} />
		`}
	</g>`}function qs({kind:e,outcome:t="",isOpen:n}){return e!=="run"?`segment-${e}`:`segment-run status-${n?"running":Ce(t)}`}function Qt({kind:e,attempt:t=0,from:n,to:s,isCollapsed:r}){let a=C(s-n);if(e==="run")return`${c.run.attempt(t)} ${c.run.ran(a)}`;let i=c.run.waited(a);return r?c.run.collapsed(i):i}var ft={pending:[62,90],running:[212,90],succeeded:[390,24],failed:[390,68],expired:[390,112],canceled:[390,156]},le=104,en=30,Da=[["pending","running"],["running","pending"],["running","succeeded"],["running","failed"],["running","expired"],["running","canceled"],["pending","canceled"],["pending","expired"]];function Pa({path:e}){let t=new Map;for(let n=1;n<e.length;n+=1){let s=`${e[n-1]} ${e[n]}`;t.set(s,(t.get(s)??0)+1)}return o`<svg class="diagram" viewBox="0 0 452 184" role="img" aria-label=${e.join(", ")}>
		<defs>
			${["","taken-"].map(n=>o`<marker key=${n} id=${`${n}arrow`} class=${`${n}arrow`}
				viewBox="0 0 6 6" refX="6" refY="3" markerWidth="6" markerHeight="6" orient="auto">
				<path d="M0 0L6 3L0 6z" />
			</marker>`)}
		</defs>
		${Da.map(([n,s])=>o`
			<${qa} key=${`${n} ${s}`} from=${n} to=${s} times=${t.get(`${n} ${s}`)??0} />
		`)}
		${Object.keys(ft).map(n=>o`
			<${Ha} key=${n} status=${n} wasThere=${e.includes(n)} isThere=${e.at(-1)===n} />
		`)}
	</svg>`}function Ha({status:e,wasThere:t,isThere:n}){let[s,r]=ft[e];return o`<g class="place status-${e} ${n?"is-there":t?"was-there":""}" aria-hidden="true">
		<rect x=${s-le/2} y=${r-en/2} width=${le} height=${en} rx="15" />
		<text x=${s} y=${r+4.5}>${e}</text>
	</g>`}function qa({from:e,to:t,times:n}){let s=Fa(e,t);return o`<g class="way ${n>0?"was-taken":""}" aria-hidden="true">
		<path d=${s} marker-end=${n>0?"url(#taken-arrow)":"url(#arrow)"} />
		${n>1&&o`<text x="137" y=${e==="pending"?76:114}>${n} ×</text>`}
	</g>`}function Fa(e,t){let[n,s]=ft[e],[r,a]=ft[t];return e==="pending"&&t==="running"?`M${n+le/2} ${s-5}H${r-le/2}`:t==="pending"?`M${n-le/2} ${s+5}H${r+le/2}`:e==="pending"?`M${n} ${s+en/2}Q${n} ${a+8} ${n+80} ${a+8}H${r-le/2}`:`M${n+le/2} ${s}C${n+90} ${s} ${r-90} ${a} ${r-le/2} ${a}`}var Ba=3e3;function Ua({run:e}){let t=e.status==="pending"?Ba:void 0,n=y(s=>w(`/job-runs/${e.id}/explain`,R.value,s),[e.id],{newer:[Oe(e.updatedAt)],everyMs:t});return o`<section class="card explanation">
		<h2>${e.completedAt?c.run.outcome:c.run.explain}</h2>
		<${S} asked=${n} lines=${2}>${({data:s})=>o`<${Wa} explanation=${s} />`}<//>
	</section>`}function Wa({explanation:e}){let{summary:t,reasons:n,nextChangeAt:s,unknown:r}=e;return o`
		<p class="summary">${t}</p>
		${n.length>0&&o`<ul class="stack">
			${n.map(a=>o`<${Ja} key=${a.code} reason=${a} />`)}
		</ul>`}
		${s&&o`<p class="quiet">${c.run.until} <${k} at=${s} /></p>`}
		${r.map(a=>o`<p class="note" key=${a}>${a}</p>`)}
	`}function Ja({reason:e}){let{code:t,message:n,binding:s,since:r}=e;return o`<li class=${s?"reason is-binding":"reason"}>
		${s&&o`<${K} name="next" label=${c.run.binding} />`}
		<span>${n} <code class="quiet">${t}</code> ${r&&o`<small><${k} at=${r} /></small>`}</span>
	</li>`}var Fs={story:tn,log:Qn,events:ai,causes:li,data:$i};function Va(){let{id:e}=T.value,t=y(async n=>(await w(`/job-runs/${e}`,R.value,n)).data,[e]);return o`<${S} asked=${t} lines=${8}>
		${({run:n,job:s})=>o`<${Ga} asked=${n} job=${s} />`}
	<//>`}function Ga({asked:e,job:t}){let n=te(()=>[e],[e]),[s]=X(n,"runs",({id:$})=>$),r=Oe(s.updatedAt),a=Is(s,r),i=y($=>Ya(s.id,$),[s.id],{newer:[r]}),{tab:l}=T.value,d=E(s.status);F(()=>{d.current!==s.status&&W(c.run.isNow(s.status)),d.current=s.status},[s.status]);let u=Fs[l]??tn;return o`
		<div class="screen-head">
			<div>
				<p class="quiet"><${z} slug=${s.slug}>${t.name}<//></p>
				<h1 class="run-title"><${j} status=${s.status} /> <span class="id">${s.id}</span></h1>
			</div>
			<${ei} run=${s} />
		</div>
		<${Ka} run=${s} />
		${s.errorMessage&&!dt.includes(s.status)&&o`
			<p class="error-message" tabindex="0"><code>${s.errorMessage}</code></p>
		`}
		<${za} run=${s} related=${a.answer} />
		<${Je} tabs=${c.run.tabs} current=${Fs[l]?l:"story"} />
		<${S} asked=${i}>
			${$=>o`<${u} run=${s} events=${$} related=${a} />`}
		<//>
	`}function Ka({run:e}){let t=e.metrics?.progress;return e.status!=="running"||typeof t!="number"?null:o`<progress max="1" value=${t} aria-label=${c.run.progress}></progress>`}async function Ya(e,t){let{data:n,meta:s}=await w(`/job-runs/${e}/events`,[["limit",mt]],t),r=[["subject",e],["type",Ls.join()],["after",n.at(-1)?.position],["limit",mt]],a=s.nextCursor?(await w("/events",r,t)).data:[];return[...n,...a].filter(Te)}function za({run:e,related:t}){let n=c.run.facts,s=a=>o`<${k} at=${a} full />`,r=[[n.created,s(e.createdAt)],e.scheduledAt!==e.createdAt&&[n.due,s(e.scheduledAt)],e.startedAt&&[n.started,s(e.startedAt)],e.completedAt&&[n.completed,s(e.completedAt)],e.startedAt&&[c.runs.columns.took,o`<${xe} from=${e.startedAt} to=${e.completedAt} ms=${e.durationMs} />`],[n.attempts,c.runs.attemptOf(e.attempt,e.maxAttempts)],[n.by,e.requestedBy],e.failureReason&&[n.failure,o`<code>${e.failureReason}</code>`],e.timeoutMs&&[n.timeout,C(e.timeoutMs)],e.priority!==0&&[n.priority,e.priority],e.context?.retryOf&&[n.retryOf,o`<${I} id=${e.context.retryOf} />`],e.context?.rerunOf&&[c.jobs.rerunOf,o`<${I} id=${e.context.rerunOf} />`],t?.bulkOperation&&[n.bulk,o`<${Xa} ...${t.bulkOperation} />`],t?.retries.length&&[n.repeated,o`<${Zt} runs=${t.retries.slice(0,Za)} />`],e.idempotencyKey&&[n.key,o`<code>${e.idempotencyKey}</code>`]];return o`<dl class="facts card">
		${r.filter(Array.isArray).map(([a,i])=>o`<div key=${a}><dt>${a}</dt><dd>${i}</dd></div>`)}
	</dl>`}var Za=3,Xa=({id:e,action:t,reason:n})=>o`<${O} to=${{view:"bulk",id:e}}>${c.bulk.title(t)}<//> · <bdi>${n}</bdi>`,Qa=["pending","running"];function ei({run:e}){let t=h(!1),n=E(ne()),s=Qa.includes(e.status);return o`<div class="actions">
		${_.value&&o`<span class="quiet">${c.past.noActions}</span>`}
		${M.value&&s&&o`
			<button class="danger" disabled=${e.cancelRequestedAt!==null} onClick=${()=>ti(e)}>${c.run.cancel} …</button>
		`}
		${M.value&&!s&&o`<button onClick=${()=>ni(e,n)}>${c.run.retry}</button>`}
		${M.value&&o`<button onClick=${()=>t.value=!0}>${c.run.rerun} …</button>`}
		<${oi} run=${e} />
		${t.value&&o`<${si} run=${e} onClose=${()=>t.value=!1} />`}
	</div>`}function ti(e){let t=c.run,n={title:`${t.cancel} ${e.slug}`,text:t.cancelText,action:t.cancel};return Ue(n,`/job-runs/${e.id}/cancel`,t.canceled)}async function ni(e,t){let n=await D(()=>N(`/job-runs/${e.id}/retry`,void 0,{"Idempotency-Key":t.current}));n&&(t.current=ne(),B({view:"run",id:n.data.id}))}function si({run:e,onClose:t}){let n=y(async s=>{let[r,a]=await Promise.all([w(`/jobs/${e.slug}`,[["limit",1]],s),w(`/job-runs/${e.id}/events`,[["limit",1]],s)]);return{job:r.data.job,origin:{...e,startDeadlineMs:ri(a.data[0])}}},[]);return o`<${Be} title=${c.run.rerun} onClose=${t} className="wide">
		<${S} asked=${n}>
			${s=>o`<${ct} ...${s} onLaunched=${t} />`}
		<//>
	<//>`}function ri(e){let{start_deadline_at:t,scheduled_at:n}=e?.data??{};return t&&n?Date.parse(t)-Date.parse(n):null}function oi({run:e}){let t=document.baseURI,n={curl:Ms(e,t,un()!==""),CLI:Es(e,t),Python:Ts(e,t)};return o`<details class="menu">
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
	</details>`}var mt=500;function ai({events:e}){let t=new Map(e.map(n=>[n.eventId,n]));return o`${e.length>=mt&&o`<p class="note">${c.ofFirst(mt)}</p>`}<ol class="events">
		${e.map(n=>o`
			<${ii} key=${n.position} event=${n} cause=${t.get(n.causationId)} />
		`)}
	</ol>`}function ii({event:e,cause:t}){let{type:n,position:s,occurredAt:r,actor:a,causationId:i,correlationId:l,data:d}=e,u=c.run.events;return o`<li class="card">
		<header>
			<h2><code>${n.replace("job_run.","")}</code></h2>
			<span class="quiet">
				<${k} at=${r} full /> · ${u.position}${" "}
				<${O} to=${{view:"log",words:[["after",s-1]]}}>${s}<//>
			</span>
		</header>
		<p class="quiet">
			${c.log.actor} ${a??c.none} · ${u.cause}:${" "}
			${t?o`<code>${t.type}</code>, ${t.position}`:o`<code>${i??c.none}</code>`}
			${l&&o`
				${" \xB7 "}<${O} to=${{view:"log",words:[["correlation",l],["after",0]]}}>${c.run.chain}<//>
			`}
		</p>
		<details><summary>${u.data}</summary><${Y} value=${d} label=${u.data} /></details>
	</li>`}var Bs=500;function li({run:e,events:t}){let n=t[0]?.correlationId,s=y(async r=>n?w("/events",[["correlation",n],["limit",Bs]],r):{data:t},[n],{newer:[e.status]});return o`<section class="card stack">
		<p class="quiet">${c.run.causesHint}</p>
		<${S} asked=${s}>
			${({data:r,meta:a})=>o`
				${a?.next&&o`<p class="note">${c.ofFirst(Bs)}</p>`}
				<${Us} subjects=${_s(r.filter(Te))} current=${e.id} />
			`}
		<//>
	</section>`}function Us({subjects:e,current:t}){return o`<ul class="tree">
		${e.map(n=>o`<li key=${n.id}>
			<${ci} subject=${n} isCurrent=${n.id===t} />
			${n.children.length>0&&o`<${Us} subjects=${n.children} current=${t} />`}
		</li>`)}
	</ul>`}function ci({subject:e,isCurrent:t}){let{type:n,id:s,app:r,at:a,last:i,cause:l}=e,d=n==="job_run"?{view:"run",id:s}:r&&{view:"app",id:r},u=o`${n.replaceAll("_"," ")} <span class="id">${de(s)}</span>`;return o`<span class=${t?"is-current":""} aria-current=${t?"true":void 0}>
			${d&&!t?o`<${O} to=${d}>${u}<//>`:u}
		</span>${" "}
		<span class="tag">${i}</span>${" "}
		<small>${l&&`${c.run.causedBy(l)} \xB7 `}<${k} at=${a} /></small>`}var ui=["parameters","result","metrics","context"];function $i({run:e}){let{compare:t}=T.value;return o`<div class="cards">
			${ui.map(n=>o`<section class="card" key=${n}>
				<h2>${c.run[n]}</h2>
				<${Y} value=${e[n]} label=${c.run[n]} />
			</section>`)}
		</div>
		<section class="card stack">
			<h2>${c.run.compare}</h2>
			<${di} />
			${t&&o`<${pi} run=${e} other=${t} key=${t} />`}
		</section>`}function di(){let e=h(T.value.compare);return o`<form class="group" onSubmit=${n=>{n.preventDefault(),U({compare:e.value.trim()},{replace:!0})}}>
		<input class="id-input" aria-label=${c.run.compareId} placeholder=${c.run.compareId} value=${e.value}
			onInput=${H(e)} />
		<button>${c.run.compareGo}</button>
	</form>`}function pi({run:e,other:t}){let n=y(s=>w(`/job-runs/${t}`,R.value,s),[t]);return o`<${S} asked=${n}>
		${({data:s})=>o`<${fi} found=${Lt(e,s.run)} />`}
	<//>`}function fi({found:e}){return e.length===0?o`<p>${c.run.same}</p>`:o`<${We} found=${e} />`}var mi={ArrowDown:1,ArrowUp:-1};function Ws({words:e,setWords:t}){let n=h(""),s=h(-1),r=h(!1),a=E(null),i=Ge(),l=n.value.split(/\s+/).at(-1)??"",d=r.value?jn(l,vi(i)):[],u=f=>{n.value="",s.value=-1,t(Ye(f).reduce(ze,e))},$=f=>{let x=n.value.slice(0,n.value.length-l.length);/[^=]$/.test(f)?u(x+f):n.value=x+f,s.value=-1,a.current?.focus()},p=(f,x)=>{f.preventDefault(),$(x)},m=f=>{let x=mi[f.key];x&&d.length>0?(f.preventDefault(),s.value=Math.min(Math.max(s.value+x,-1),d.length-1)):f.key==="Enter"?(f.preventDefault(),d[s.value]?$(d[s.value]):u(n.value)):f.key==="Escape"?(r.value=!1,s.value=-1):f.key==="Backspace"&&n.value===""&&e.length>0&&t(_t(e,e.length-1))},v=f=>{n.value=f.target.value,s.value=-1,r.value=!0};return o`<div class="filter" role="search">
		<div class="filter-box">
			<${K} name="filter" />
			${e.map((f,x)=>o`
				<${hi} key=${Tt(f)} word=${f} remove=${()=>t(_t(e,x))} />
			`)}
			<input ref=${a} data-filter role="combobox" aria-label=${c.runs.filter}
				aria-expanded=${d.length>0} aria-controls="filter-found" aria-autocomplete="list"
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
			hidden=${d.length===0}>
			${d.map((f,x)=>o`<li role="option" key=${f}
				id=${`filter-${x}`} aria-selected=${x===s.value}
				onMouseDown=${b=>p(b,f)}>
				${f}
			</li>`)}
		</ul>
	</div>`}function hi({word:e,remove:t}){let n=Tt(e);return o`<span class="chip ${e[0].endsWith("!")?"is-negated":""}">
		${n}
		<button class="plain" onClick=${t} aria-label=${c.runs.remove(n)}><${K} name="close" /></button>
	</span>`}function vi(e){let t=e.flatMap(({parametersSchema:n})=>Object.keys(n?.properties??{}));return{jobs:e.map(({slug:n})=>n),parameters:[...new Set(t)].sort()}}var Js="created";function Vs({words:e,sort:t}){let n=h(!1),s=E(null),r=i=>{U(i),n.value=!1,s.current?.focus()},a=({target:i})=>n.value=i.open;return o`<details class="menu" open=${n.value} onToggle=${a}>
		<summary ref=${s}>${c.savedViews.title}</summary>
		<div class="menu-box stack">${n.value&&o`<${bi} words=${e} sort=${t} open=${r} />`}</div>
	</details>`}function bi({words:e,sort:t,open:n}){let s=y(a=>w("/views",R.value,a),[]);P("views",s.again);let r=a=>ve.value=ve.value.filter(([i])=>i!==a);return o`
		<${S} asked=${s} lines=${2}>
			${({data:a})=>a.length>0&&o`
				<h2>${c.savedViews.everybodys}</h2>
				<ul class="saved-views">
					${a.map(i=>o`<${gi} key=${i.name} view=${i} open=${n} again=${s.again} />`)}
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
					<${Gs} label=${c.savedViews.forget(a)} remove=${()=>r(a)} />
				</li>`)}
			</ul>
		`}
		<${wi} shared=${s.answer?.data??[]} words=${e} sort=${t} again=${s.again} />
	`}function gi({view:e,open:t,again:n}){let{name:s,filter:r,sort:a,savedBy:i,updatedAt:l}=e,d=An(r),u={words:d,sort:a===Js?"":a},$=async()=>{let p={title:c.savedViews.remove(s),text:c.savedViews.removeHint,action:c.savedViews.go};await ae(p)&&(await D(()=>oe("DELETE",Ks(s)),c.savedViews.isDeleted(s)),n())};return o`<li>
		<button class="plain" title=${Et(d)} onClick=${()=>t(u)}><bdi>${s}</bdi></button>
		<small><bdi>${i}</bdi> · <${k} at=${l} /></small>
		${M.value&&o`<${Gs} label=${c.savedViews.remove(s)} remove=${$} />`}
	</li>`}var Gs=({label:e,remove:t})=>o`<button class="plain" aria-label=${e} title=${e} onClick=${t}><${K} name="close" /></button>`;function wi({shared:e,words:t,sort:n,again:s}){let r=h(""),a=h(!1),i=$=>{let p=ve.value.filter(([m])=>m!==$);return ve.value=[...p,[$,Et(t),n]],!0},l=async $=>{let p=e.find(x=>x.name===$),m={title:c.savedViews.replace($),text:c.savedViews.replaceHint,action:c.savedViews.goOn};if(p&&!await ae(m))return!1;let v={filter:Sn(t),sort:n||Js},f=await D(()=>oe("PUT",Ks($),v));return s(),f!==void 0},d=({target:$})=>a.value=$.value==="all";return o`<form class="group" onSubmit=${async $=>{$.preventDefault();let p=r.value.trim();await(M.value&&a.value?l:i)(p)&&(W(c.savedViews.isSaved(p)),r.value="")}}>
		<input
			required maxlength="100" pattern=".*\\S.*" aria-label=${c.savedViews.name} placeholder=${c.savedViews.name}
			value=${r.value} onInput=${H(r)} />
		${M.value&&o`<select
			aria-label=${c.savedViews.whose} value=${a.value?"all":"me"} onChange=${d}>
			<option value="me">${c.savedViews.forMe}</option>
			<option value="all">${c.savedViews.forEverybody}</option>
		</select>`}
		<button disabled=${t.length===0&&!n}>${c.savedViews.save}</button>
	</form>`}var Ks=e=>`/views/${encodeURIComponent(e)}`;var yi=50,Ys=1e3;async function ht({words:e,sort:t},n,s){let r=ye.peek().recent.runs,a=[...e,...R.value,["sort",t],["limit",yi]],{rows:i,next:l}=await ce("/job-runs",a,n,s);return{rows:i.map(({run:d})=>d),next:l,known:r}}async function ki(e,t,n){let s=await ht(e,null,n);if(!t||s.rows.length===0)return s;if(s.rows[0].id!==t.newest&&!e.sort){let r=await Oi(t.newest,n);r!==null&&(s={...await ht(e,r,n),hasNewer:!0})}for(;s.next!==null&&s.rows.length<Math.min(t.count,xi);){let{rows:r,next:a}=await ht(e,s.next,n);s={...s,rows:[...s.rows,...r],next:a}}return{...s,stand:t}}var xi=1e3;async function Oi(e,t){try{let{data:n}=await w(`/job-runs/${e}/events`,[["limit",1]],t);return n[0].position+1}catch(n){if(G(n).status===404)return null;throw n}}function Si(){let{words:e,sort:t}=T.value,n=JSON.stringify([e,t]),s=y(i=>ki({words:e,sort:t},pn(),i),[n]),r=h(new Set),a=i=>U({words:i});return F(()=>{r.value=new Set},[n,_.value]),o`
		<div class="screen-head">
			<h1>${c.runs.title}</h1>
			<div class="actions">
				<${Vs} words=${e} sort=${t} />
				<${O} to=${{view:"bulk"}}>${c.views.bulk}<//>
			</div>
		</div>
		<${Ws} words=${e} setWords=${a} />
		<${Ti} words=${e} setWords=${a} />
		<div class="list-controls">
			<${Ci} words=${e} selected=${r} />
			<${_i} sort=${t} />
		</div>
		<${S} asked=${s} lines=${10}>
			${i=>o`
				<${Ai} page=${i} asked=${s} words=${e} sort=${t} selected=${r} key=${n+_.value} />
			`}
		<//>
	`}function Ai({page:e,asked:t,words:n,sort:s,selected:r}){let a=X(e.rows,"runs",$=>$.id),i=te(()=>o`<${ie} runs=${a} sort=${s} selected=${M.value?r:void 0} />`,[a,M.value]),l=ji(e,t.isOld),d=()=>{fn(),t.again()};F(()=>{r.value=new Set(e.rows.map(({id:$})=>$).filter($=>r.value.has($)))},[e]);let u=!s&&o`<${Mi} page=${e} words=${n} show=${d} />`;return a.length===0?o`${u}<${Ei} words=${n} />`:o`
		${u}
		<div ref=${l}>${i}</div>
		<${$e} asked=${t} load=${$=>ht({words:n,sort:s},$)} text=${c.older} />
	`}function ji(e,t){let n=E(null),s=E({page:e,isOld:t});return s.current={page:e,isOld:t},F(()=>dn(()=>{let{page:{rows:r},isOld:a}=s.current;return a||!n.current?null:{newest:r[0].id,count:r.length,top:n.current.getBoundingClientRect().top}}),[]),me(()=>{e.stand&&!t&&n.current&&scrollBy(0,n.current.getBoundingClientRect().top-e.stand.top)},[e.stand,t]),n}function Mi({page:e,words:t,show:n}){let{known:s}=e,r=h({known:s,ids:new Set});r.value.known!==s&&(r.value={known:s,ids:new Set});let a=ye.value.recent.runs;F(()=>{let{ids:u}=r.value;if(a===s||_.value!==""||u.size>=Ys)return;let $=new Set(e.rows.map(f=>f.id)),p=e.rows[0]?.createdAt??"",v=[...a.values()].filter(f=>f.createdAt>=p&&s.get(f.id)!==f&&!$.has(f.id)&&Mn(t,f)).filter(({id:f})=>!u.has(f));v.length>0&&(r.value={known:s,ids:new Set([...u,...v.map(({id:f})=>f)])})},[a,e]);let i=r.value.ids.size;if(i===0&&!e.hasNewer)return null;let l=e.hasNewer?c.runs.newest:c.runs.fresh(i),d=i<Ys?l:c.runs.manyFresh;return o`<p class="pager"><button class="pill" onClick=${n}>${d}</button></p>`}function Ei({words:e}){return e.length>0?o`<${L} title=${c.runs.noMatch} hint=${c.runs.noMatchHint}>
		<button onClick=${()=>U({words:[]})}>${c.runs.clear}</button>
	<//>`:_.value?o`<${L} title=${c.runs.noneThen}>
		<button onClick=${()=>U({asOf:""})}>${c.past.back}</button>
	<//>`:o`<${L} title=${c.runs.empty} hint=${c.runs.emptyHint} command=${c.runs.emptyCommand} />`}function Ti({words:e,setWords:t}){let n=xn(),s=(e.find(([i])=>i==="status")?.[1]??"").split(",").filter(Boolean),r=e.every(([i])=>i==="status"),a=i=>{let l=s.includes(i)?s.filter(u=>u!==i):[...s,i],d=e.filter(([u])=>u!=="status");t(l.length>0?ze(d,["status",l.join(",")]):d)};return o`<div class="status-filter" role="group" aria-label=${c.runs.columns.status}>
		${Ke.map(i=>o`<button
			key=${i} class="status status-${i}" aria-pressed=${s.includes(i)}
			onClick=${()=>a(i)}>
			<${K} name=${i} />${i}
			${r&&n&&o`<span class="count">${ke(n[i])}</span>`}
		</button>`)}
	</div>`}function _i({sort:e}){let t=({target:n})=>U({sort:n.value});return o`<label class="inline">${c.runs.sort}
		<select value=${e} onChange=${t}>
			${Object.entries(c.runs.orders).map(([n,s])=>o`<option key=${n} value=${n}>${s}</option>`)}
		</select>
	</label>`}var Ri=4;function Ci({words:e,selected:t}){let n=h("");if(!M.value)return null;let s=t.value.size;return o`<div class="selection">
		${s>0?o`<span>${c.runs.selected(s)}</span><${Ii} selected=${t} />`:o`<span>${c.runs.allMatching}:</span>
			${Ni.map(r=>o`
				<button key=${r} onClick=${()=>n.value=r}>${c.bulk.actions[r]} …</button>
			`)}`}
		${n.value&&o`
			<${Xe} action=${n.value} words=${e} onClose=${()=>n.value=""} />
		`}
	</div>`}var Ni=["cancel","retry","rerun"];function Ii({selected:e}){let t=async n=>{let s=[...e.value],r=await ae({title:c.bulk.title(n),text:c.runs.selected(s.length),action:c.bulk.go(c.bulk.actions[n],s.length),asksReason:n==="cancel"});if(!r)return;let a=n==="cancel"&&r.reason?{reason:r.reason}:void 0,i=await Li(s,l=>N(`/job-runs/${l}/${n}`,a));e.value=new Set,i.length>0&&W(i.slice(0,3).join(`
`),{isWrong:!0})};return o`
		<button class="danger" onClick=${()=>t("cancel")}>${c.bulk.actions.cancel} …</button>
		<button onClick=${()=>t("retry")}>${c.bulk.actions.retry} …</button>
		<button class="plain" onClick=${()=>e.value=new Set}>${c.runs.clearSelection}</button>
	`}async function Li(e,t){let n=[...e],s=[],r=async()=>{for(let a=n.shift();a!==void 0;a=n.shift())try{await t(a)}catch(i){s.push(c.bulk.one(a,G(i).message))}};return await Promise.all(Array.from({length:Ri},r)),s}var He={d:864e5,h:36e5,min:6e4,s:1e3},zs=Object.keys(He).reverse();function qe(e){let t=Object.keys(He).find(n=>e%He[n]===0&&e>0)??"s";return{amount:String(e/He[t]),unit:t}}var nn=({amount:e,unit:t})=>e===""?null:Math.round(Number(e)*He[t]),Zs="0 3 * * *",Xs={amount:"1",unit:"h"},Qs=e=>({id:"",job:"",rhythm:"cron",cron:Zs,every:Xs,timeZone:e,exclude:"",overlap:"skip",catchUp:qe(6e4),jitter:qe(0),startAt:"",endAt:"",pauseOnFailure:!1,parameters:{typed:void 0,raw:null}}),sn=e=>({id:e.id,job:e.job,rhythm:e.everyMs===null?"cron":"every",cron:e.cron??Zs,every:e.everyMs===null?Xs:qe(e.everyMs),timeZone:e.timeZone,exclude:e.exclude.join(`
`),overlap:e.overlap,catchUp:qe(e.catchUpMs),jitter:qe(e.jitterMs),startAt:e.startAt??"",endAt:e.endAt??"",pauseOnFailure:e.pauseOnFailure,parameters:{typed:e.parameters,raw:null}});function vt(e){let t=e.rhythm==="cron";return{...e.id&&{id:e.id},...e.job&&{job:e.job},cron:t?e.cron:null,everyMs:t?null:nn(e.every),timeZone:e.timeZone,exclude:e.exclude.split(`
`).map(n=>n.trim()).filter(Boolean),overlap:e.overlap,catchUpMs:nn(e.catchUp),jitterMs:nn(e.jitter),startAt:e.startAt||null,endAt:e.endAt||null,pauseOnFailure:e.pauseOnFailure}}function er(e,{id:t,...n}){let s=e,r=([a,i])=>JSON.stringify(i)!==JSON.stringify(s[a]);return Object.fromEntries(Object.entries(n).filter(r))}function tr(e){let[,t,n,s]=/^(\S{10})T(\d\d:\d\d:\d\d)(?:\.\d+)?(.+)$/.exec(e)??[];return`${new Date(`${t}T00:00:00Z`).toUTCString().slice(0,3)} ${t} ${n} ${s}`}var Di=["Sunday","Monday","Tuesday","Wednesday","Thursday","Friday","Saturday","Sunday"];function Ae({cron:e,everyMs:t,timeZone:n}){let s=c.schedules;if(t)return s.every(C(t));let r=n==="UTC"?"":` ${s.zone(n)}`,a=e??"";return(Pi(a)??a)+r}function Pi(e){let t=e.trim().split(/\s+/);if(t.length!==5)return null;let[n,s,r,a,i]=t,l=c.schedules,d=r==="*"&&a==="*",u=/^\*\/(\d+)$/.exec(n);if(u&&s==="*"&&d&&i==="*")return l.every(`${u[1]} min`);if(e==="* * * * *")return l.every("1 min");if(!/^\d+$/.test(n)||!d)return null;if(s==="*"&&i==="*")return`${l.every("1 h")}, ${l.at(`:${n.padStart(2,"0")}`)}`;if(!/^\d+$/.test(s))return null;let $=l.at(`${s.padStart(2,"0")}:${n.padStart(2,"0")}`);return i==="*"?`${l.daily} ${$}`:i==="1-5"?`${l.weekdays} ${$}`:/^[0-7]$/.test(i)?`${l.every(Di[Number(i)])} ${$}`:null}var Hi=["skip","buffer_one","buffer_all","cancel_other","terminate_other","allow_all"],bt=new Map;function qi(e){let t=e?.id??"",n=bt.get(t),s=n&&Fi(n)&&n.before?.version!==e?.version;if(n&&!s)return n;let{timeZone:r}=Intl.DateTimeFormat().resolvedOptions(),a={draft:Fe(e?sn(e):Qs(r)),before:e};return bt.set(t,a),a}var Fi=({draft:e,before:t})=>t&&JSON.stringify(e.value)===JSON.stringify(sn(t));function wt({schedule:e}){let t=c.schedules.form,n=e?.id??"",{draft:s,before:r}=qi(e),a=h({message:"",issues:[]}),i=Ge(),l=s.value.job||i.length===0?s.value:{...s.value,job:i[0].slug},d=Wi(l),u=[...a.value.issues,...d.error?.issues??[]],$=f=>{s.value={...l,...f};let x=Object.keys(f).map(A=>`/${Bi[A]??A}`),b=({path:A})=>x.every(J=>A!==J&&!A.startsWith(`${J}/`));a.value={message:"",issues:a.value.issues.filter(b)}},p=()=>{bt.delete(n),B(e?{view:"schedule",id:n}:{view:"schedules"})},m=async f=>{f.preventDefault();let x=i.find(({slug:A})=>A.toLowerCase()===l.job.toLowerCase()),b=ut(l.parameters,x);try{if(!b)throw new Error(c.jobs.badJson);let A=await Ui(r,{...vt(l),parameters:b});bt.delete(n),W(t.saved(A.id)),B({view:"schedule",id:A.id})}catch(A){let{code:J,message:re,issues:ee=[]}=G(A);a.value={message:re,issues:J==="schedule_exists"?[{path:"/id",message:re}]:ee},Bt(f.target)}},v={draft:l,issues:u,set:$};return o`<form class="stack" onSubmit=${m} noValidate>
		${e?.owner&&o`<p class="note">${t.owned(e.owner)}</p>`}
		${e&&e.version!==r?.version&&o`<p class="note" role="status">${t.newer(e.version)}</p>`}
		<div class="cards">
			<section class="card stack"><h2>${t.what}</h2><${Vi} ...${v} jobs=${i} isNew=${!e} isWrong=${a.value.message===c.jobs.badJson} /></section>
			<section class="card stack"><h2>${c.schedules.columns.when}</h2><${Gi} ...${v} /></section>
			<div class="stack">
				<section class="card stack"><h2>${t.next}</h2><${Ji} draft=${l} ...${d} /></section>
				<section class="card stack"><h2>${t.rules}</h2><${Yi} ...${v} /></section>
			</div>
		</div>
		${a.value.message&&o`<p class="problem" role="alert">${a.value.message}</p>`}
		<div class="actions">
			<button class="main">${e?t.save:c.schedules.create}</button>
			<button type="button" onClick=${p}>${t.discard}</button>
		</div>
	</form>`}var Bi={rhythm:"cron",every:"everyMs",catchUp:"catchUpMs",jitter:"jitterMs"};async function Ui(e,t){if(!e)return(await N("/schedules",t)).data;let n=er(e,t);return(await oe("PATCH",`/schedules/${e.id}`,n)).data}function Wi(e){let t=Oe(JSON.stringify(vt(e))),{answer:n,error:s}=y(()=>N("/schedules/preview",JSON.parse(t)),[t]);return{ticks:n?.data,error:s}}function Ji({draft:e,ticks:t,error:n}){return o`<div class="stack" role="status">
		<p>${Ae(vt(e))}</p>
		${n&&o`<p class="problem">${n.message||c.errors.unreachable}</p>`}
		${t&&o`<${on} ticks=${t} />`}
	</div>`}function on({ticks:e}){let t=c.schedules.form;return e.length===0?o`<p class="note">${t.never}</p>`:o`<ol class="coming">
		${e.map(({dueAt:n,firesAt:s,isExcluded:r})=>o`<li key=${n}>
			<time datetime=${n}>${tr(n)}</time>${" "}
			${r&&o`<span class="tag">${c.schedules.excluded}</span>`}
			${Date.parse(s)>Date.parse(n)&&o`<small>${t.late(C(Date.parse(s)-Date.parse(n)))}</small>`}
		</li>`)}
	</ol>`}function Vi({draft:e,issues:t,set:n,jobs:s,isNew:r,isWrong:a}){let i=c.schedules.form,l=u=>({target:$})=>n({[u]:$.value}),d=s.find(({slug:u})=>u.toLowerCase()===e.job.toLowerCase());return o`
		${r&&o`<${pe} name="id" title=${i.name} hint=${i.nameHint} issues=${t}>
			${u=>o`<input ...${u} required maxlength="100" value=${e.id} onInput=${l("id")} />`}
		<//>`}
		<${pe} name="job" title=${c.views.job} issues=${t}>
			${u=>o`<select ...${u} value=${d?.slug} onChange=${l("job")}>
				${!d&&e.job&&o`<option>${e.job}</option>`}
				${s.map(({slug:$})=>o`<option key=${$} value=${$}>${$}</option>`)}
			</select>`}
		<//>
		${d&&o`<fieldset>
			<legend>${c.run.parameters}</legend>
			<${Ut} key=${d.slug} job=${d} draft=${e.parameters} issues=${t} isWrong=${a}
				onChange=${u=>n({parameters:u})} />
			${gt(t,"parameters").map(u=>o`<p class="problem" key=${u}>${u}</p>`)}
		</fieldset>`}
	`}function Gi({draft:e,issues:t,set:n}){let s=c.schedules.form,r=e.rhythm==="cron",a=(u,$)=>o`<label class="check">
		<input type="radio" name="rhythm" checked=${e.rhythm===u} onChange=${()=>n({rhythm:u})} />${$}
	</label>`,i=u=>$=>n({[u]:$}),l=u=>({target:$})=>i(u)($.value),d=u=>$=>o`<${Wt} common=${$} value=${e[u]} set=${l(u)} onChange=${i(u)} />`;return o`
		<div class="group" role="radiogroup" aria-label=${c.schedules.columns.when}>
			${a("cron",s.byCron)}${a("every",s.byInterval)}
		</div>
		${r?o`<${pe} name="cron" title=${s.cron} hint=${s.cronHint} issues=${t}>
				${u=>o`<input ...${u} class="id" value=${e.cron} onInput=${l("cron")} />`}
			<//>`:o`<${rn} name="everyMs" also="cron" title=${s.every} value=${e.every} issues=${t}
				onChange=${i("every")} />`}
		<${pe} name="timeZone" title=${c.schedules.timeZone} hint=${r?"":s.zoneOfInterval} issues=${t}>
			${u=>o`<input ...${u} list="time-zones" value=${e.timeZone} onInput=${l("timeZone")} />
				<datalist id="time-zones">${Ki().map($=>o`<option key=${$}>${$}</option>`)}</datalist>`}
		<//>
		<${pe} name="startAt" title=${s.start} hint=${r?"":s.startOfInterval} issues=${t}>
			${d("startAt")}
		<//>
		<${pe} name="endAt" title=${s.end} issues=${t}>
			${d("endAt")}
		<//>
		<${pe} name="exclude" title=${s.exclude} hint=${s.excludeHint} issues=${t}>
			${u=>o`
				<textarea ...${u} class="growing" rows="2" value=${e.exclude} onInput=${l("exclude")}></textarea>
			`}
		<//>
		<${rn} name="jitterMs" title=${s.jitter} hint=${s.jitterHint} value=${e.jitter} issues=${t}
			onChange=${i("jitter")} />
	`}var Ki=()=>Intl.supportedValuesOf?.("timeZone")??[];function Yi({draft:e,issues:t,set:n}){let s=c.schedules.form,r=({target:a})=>n({pauseOnFailure:a.checked});return o`
		<fieldset>
			<legend>${c.schedules.overlap}</legend>
			${Hi.map(a=>o`<label class="check" key=${a}>
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
	`}function gt(e,t){let n=e.filter(({path:s})=>s===`/${t}`||t==="exclude"&&s.startsWith("/exclude/"));return[...new Set(n.map(({path:s,message:r})=>{let a=s.split("/")[2];return a===void 0?r:`${Number(a)+1}: ${r}`}))]}function pe({name:e,also:t,title:n,hint:s,issues:r,children:a}){let i=[...gt(r,e),...t?gt(r,t):[]],l=`schedule-${e}`,d=[s&&`${l}-hint`,i.length>0&&`${l}-wrong`].filter(Boolean).join(" ")||void 0,u={id:l,"aria-describedby":d,"aria-invalid":i.length>0?"true":void 0};return o`<div class="field">
		<label for=${l}>${n}</label>
		${a(u)}
		${s&&o`<small id=${`${l}-hint`}>${s}</small>`}
		${i.length>0&&o`<p class="problem" id=${`${l}-wrong`}>${i.join("; ")}</p>`}
	</div>`}function rn({value:e,onChange:t,...n}){let s=r=>({target:a})=>t({...e,[r]:a.value});return o`<${pe} ...${n}>
		${r=>o`<div class="group">
			<input ...${r} class="amount" type="number" min="0" step="any" value=${e.amount} onInput=${s("amount")} />
			<select aria-label=${c.schedules.form.unitOf(n.title)} value=${e.unit} onChange=${s("unit")}>
				${zs.map(a=>o`<option key=${a} value=${a}>${c.schedules.form.units[a]}</option>`)}
			</select>
		</div>`}
	<//>`}var nr=100;async function yt(e,t,n){let s=[];for(let i=0;i<e.length;i+=nr)s.push(e.slice(i,i+nr));let a=(await Promise.all(s.map(i=>w("/job-runs/by-schedule",[["schedule",i.join(",")],["last",t]],n)))).flatMap(({data:i})=>i);return new Map(a.map(i=>[i.schedule,i]))}var zi=({status:e})=>e==="pending"||e==="running",Zi=({status:e})=>e==="failed"||e==="expired";function kt(e){let t=e?.last.find(n=>!zi(n));return t&&Zi(t)?t:void 0}var xt=({run:e})=>o`<${O} to=${{view:"run",id:e.id}}>
	<${j} status="failed" label=${c.schedules.lastFailed} /><//>`;function Ot({runs:e}){return e?e.last.length===0?o`<span class="quiet">${c.schedules.runs.none}</span>`:o`<span class="strip">
		${e.last.toReversed().map(({id:t,status:n,createdAt:s})=>{let r=`${c.status(n)}, ${Q(s)}`;return o`<${O} key=${t} to=${{view:"run",id:t}} class="status-${Ce(n)}" aria-label=${r} title=${r}>
				<${K} name=${Ce(n)} />
			<//>`})}
	</span>`:o`<span class="quiet">–</span>`}function St({id:e,runs:t}){let n=c.schedules.runs;if(!t)return null;let{succeeded:s,failed:r,expired:a}=t.counts,i=r+a,l=s+i;if(l===0)return o`<span class="quiet">–</span>`;let d=[["actor",`schedule:${e}`]],u=[["createdAfter",t.since]];return o`<${O} to=${{view:"runs",words:[...d,...u]}}>${n.rate(s,l)}<//>
		${i>0&&o` · <${O} to=${{view:"runs",words:[["status","failed,expired"],...d,...u]}}>
			<strong class="worse">${n.failed(i)}</strong><//>`}
		${Qi(t)&&o` <small>${n.since(Q(t.since))}</small>`}`}var Xi=864e5,Qi=({since:e})=>Date.now()-Date.parse(e)<6.9*Xi;var el=10,tl=100,nl=20;function sl(){let{id:e}=T.value,t=y(async n=>{let[{data:s},{data:r}]=await Promise.all([w(`/schedules/${e}`,[],n),w(`/schedules/${e}/preview`,[["n",el]],n)]),[a,i]=await Promise.all([ol(e,n),yt([s.id],tl,n)]);return{schedule:s,preview:r,ticks:a,runs:i.get(s.id)}},[e]);return P("schedules",t.again,n=>n.has(e)),P("runs",t.again,n=>[...n.values()].some(({requestedBy:s})=>s===`schedule:${e}`)),o`<${S} asked=${t} lines=${8}>
		${n=>T.value.tab==="edit"?o`<${rl} schedule=${n.schedule} />`:o`<${al} ...${n} again=${t.again} />`}
	<//>`}function rl({schedule:e}){return o`<div class="screen-head"><h1>${c.schedules.edit} ${e.id}</h1></div>
		${M.value?o`<${wt} schedule=${e} key=${e.id} />`:o`<${be} />`}`}async function ol(e,t){let n=i=>ce(`/schedules/${e}/ticks`,[["limit",100]],i,t),s=0,r=await n(s),a=r.next&&(await w("/job-runs/counts",[],t)).meta.position;for(;r.next&&a>1;){a=Math.ceil(a/2);let i=await n(s+a);i.next&&(s+=a),i.rows.length>0&&(r=i)}return r.rows.reverse()}function al({schedule:e,preview:t,ticks:n,runs:s,again:r}){let a=c.schedules,i=kt(s);return o`<div class="screen-head">
			<div><h1>${e.id}</h1><p>${Ae(e)} · <${z} slug=${e.job} /></p></div>
			${M.value&&o`<${cl} schedule=${e} again=${r} />`}
		</div>
		${e.paused&&o`<p class="note"><${j} status="paused" /> <bdi>${e.paused.reason??""}</bdi></p>`}
		<section class="card stack">
			<div class="screen-head">
				<h2>${a.runs.title}</h2>
				${i&&o`<${xt} run=${i} />`}
				<div class="actions"><${O} to=${{view:"runs",words:[["actor",`schedule:${e.id}`]]}}>${a.runs.all}<//></div>
			</div>
			<${Ot} runs=${s&&{...s,last:s.last.slice(0,nl)}} />
			<p>${a.runs.week}: <${St} id=${e.id} runs=${s} /></p>
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
		<${il} schedule=${e} />
		<section class="stack"><h2>${a.past}</h2><${ll} ticks=${n} runs=${s?.last??[]} /></section>`}function il({schedule:e}){let t=c.schedules,{overlap:n,jitterMs:s,catchUpMs:r,startAt:a,endAt:i,exclude:l,pauseOnFailure:d,owner:u}=e,$=[[t.overlap,t.overlaps[n]],[t.facts.catchUp,C(r)],[t.facts.pauseOnFailure,d?t.yes:t.no],[t.facts.jitter,s>0&&C(s)],[t.facts.start,a&&o`<${k} at=${a} full />`],[t.facts.end,i&&o`<${k} at=${i} full />`],[t.facts.exclude,l.length>0&&l.map(p=>o`<code key=${p}>${p}</code> `)],[t.facts.owner,u]];return o`<dl class="facts card">
		${$.filter(([,p])=>p).map(([p,m])=>o`<div key=${p}><dt>${p}</dt><dd>${m}</dd></div>`)}
	</dl>`}function ll({ticks:e,runs:t}){let n=new Map(t.map(({id:i,status:l})=>[i,l])),s=c.schedules;if(e.length===0)return o`<p class="quiet">${s.noTicks}</p>`;let r=[{name:"first",title:s.due,cell:({dueAt:i,lastDueAt:l,ticks:d})=>o`<${k} at=${i} />${d>1&&o` – <${k} at=${l} />`}`},{name:"status",title:s.outcome,cell:({outcome:i,ticks:l})=>o`<span class="tag">${i}</span> ${l>1&&`\xD7 ${l}`}`},{name:"why",title:s.why,cell:({reason:i,cause:l})=>i??l},{name:"run",title:c.runs.columns.run,cell:({runId:i})=>i&&o`<${I} id=${i} /> ${n.has(i)&&o`<${j} status=${n.get(i)} />`}`}],a=({position:i})=>i;return o`<${Z} label=${s.past} rows=${e} keyOf=${a} columns=${r} />`}function cl({schedule:e,again:t}){let n=c.schedules,s=`/schedules/${e.id}`,r=E(ne()),a=async()=>{let l=await D(()=>N(`${s}/trigger`,void 0,{"Idempotency-Key":r.current}));l&&(r.current=ne(),W(c.jobs.launched(l.data.id)))};return o`<div class="actions">
		<button class="danger" onClick=${async()=>{let l={title:n.removeTitle(e.id),text:n.removeText(e.id),action:n.remove};await ae(l)&&await D(()=>oe("DELETE",s),n.removed(e.id))&&B({view:"schedules"},{replace:!0})}}>${n.remove} …</button>
		<button onClick=${()=>B({view:"schedule",id:e.id,tab:"edit"})}>${n.edit}</button>
		<${Ve} paused=${e.paused} name=${e.id} path=${s} text=${n.pauseText} again=${t} />
		<${ul} path=${s} again=${t} />
		<button class="main" onClick=${a}>${n.trigger}</button>
	</div>`}function ul({path:e,again:t}){let n=c.schedules,s=h(""),r=h(""),a=async i=>{i.preventDefault();let l=$=>new Date($).toISOString(),d=l(s.value),u=0;for(;d;){let $=await D(()=>N(`${e}/backfill`,{from:d,to:l(r.value)}));if(!$)return t();u+=$.data.runs.length,d=$.data.continueFrom}W(n.filled(u)),t()};return o`<details class="menu">
		<summary>${n.backfill}</summary>
		<form class="menu-box stack" onSubmit=${a}>
			<label>${n.from}<input type="datetime-local" step="1" required value=${s.value} onInput=${H(s)} /></label>
			<label>${n.to}<input type="datetime-local" step="1" required value=${r.value} onInput=${H(r)} /></label>
			<button>${n.backfill}</button>
		</form>
	</details>`}function $l(){return T.value.tab==="new"?o`<${dl} />`:o`<${pl} />`}function dl(){return o`<div class="screen-head"><h1>${c.schedules.create}</h1></div>
		${M.value?o`<${wt} />`:o`<${be} />`}`}function pl(){let e=y(t=>ue("/schedules",R.value,t),[]);return P("schedules",e.again),o`<div class="screen-head">
			<h1>${c.schedules.title}</h1>
			${M.value&&o`<div class="actions">
				<button class="main" onClick=${()=>B({view:"schedules",tab:"new"})}>${c.schedules.create}</button>
			</div>`}
		</div>
		<${S} asked=${e}>${t=>o`<${vl} schedules=${t} />`}<//>`}var fl=8,ml=1e4;function hl(e){let t=e.map(({id:s})=>s);return y(async s=>_.value?null:yt(t,fl,s),[t.join(",")],{everyMs:ml}).answer??(_.value?null:new Map)}function vl({schedules:e}){let t=hl(e),n=c.schedules.columns;if(e.length===0)return o`<${L}
			title=${c.schedules.empty} hint=${c.schedules.emptyHint} command=${c.schedules.emptyCommand} />`;let s=[{name:"first",title:n.schedule,cell:({id:r,job:a})=>o`<${O} to=${{view:"schedule",id:r}}><strong>${r}</strong><//>${" "}
					<small><${z} slug=${a} /></small>`},{name:"when",title:n.when,cell:r=>Ae(r)},{name:"next",title:n.next,cell:({nextAt:r,paused:a})=>a&&!t?o`<${j} status="paused" />`:o`<${k} at=${a?null:r} />`}];return t?s.push(...bl(t)):s.push({name:"last",title:n.last,cell:({lastTick:r})=>o`<${sr} tick=${r} />`}),o`<${Z} label=${c.schedules.title} rows=${e} keyOf=${({id:r})=>r} columns=${s} />`}function bl(e){let t=c.schedules.columns;return[{name:"state",title:t.state,cell:n=>o`<${gl} schedule=${n} runs=${e.get(n.id)} />`},{name:"runs",title:t.runs,cell:({id:n})=>o`<${Ot} runs=${e.get(n)} />`},{name:"week",title:t.week,cell:({id:n})=>o`<${St} id=${n} runs=${e.get(n)} />`}]}function gl({schedule:e,runs:t}){let{paused:n,lastTick:s}=e,r=kt(t),a=s?.outcome==="skipped"&&s.reason!=="paused";return o`
		${r&&o`<${xt} run=${r} />`}
		${n&&o` <${j} status="paused" />`}
		${t&&!r&&!n&&o`<${j} status="ready" label=${c.schedules.active} />`}
		${a&&o` <small><${sr} tick=${s} /></small>`}
	`}function sr({tick:e}){return e?o`<span class="tag">${e.outcome}</span>${" "}
		<small><${k} at=${e.dueAt} /></small>${" "}
		${e.runId?o`<${I} id=${e.runId} />`:o`<small>${e.reason?.replaceAll("_"," ")??""}</small>`}`:o`<span class="quiet">–</span>`}var wl=3e3;function yl(){let e=y(t=>ue("/workers",[],t),[],{everyMs:wl});return o`<div class="screen-head"><h1>${c.workers.title}</h1></div>
		<${S} asked=${e}>${t=>o`<${kl} workers=${t} again=${e.again} />`}<//>`}function kl({workers:e,again:t}){let n=c.workers.columns;if(e.length===0)return o`<${L}
			title=${c.workers.empty} hint=${c.workers.emptyHint} command=${c.overview.startWorker} />`;let s=[{name:"first",title:n.worker,cell:({id:r,host:a,pid:i})=>o`<strong class="id">${r}</strong> <small>${a}, ${i}</small>
				<br /><${O} to=${{view:"runs",words:[["worker",r]]}}>${c.workers.runs}<//>`},{name:"status",title:n.state,cell:({state:r})=>o`<${j} status=${r} />`},{name:"slots",title:n.slots,cell:({busy:r,slots:a,sharedBusy:i,sharedSlots:l})=>o`<meter min="0" max=${a} value=${r} aria-label=${c.overview.slots(r,a)}>
					</meter>${" "}
					<small>${c.overview.slots(r,a)}</small>
					${l>0&&o`<br /><small>${c.workers.shared(i,l)}</small>`}`},{name:"labels",title:n.labels,cell:({labels:r})=>Object.entries(r).map(([a,i])=>o`
				<span class="tag" key=${a}>${a}=${i}</span>${" "}
			`)},{name:"handlers",title:n.handlers,cell:({entryPoints:r})=>o`<${xl} names=${r} />`},{name:"beat",title:n.beat,cell:({lastBeatAt:r})=>o`<${k} at=${r} />`},{name:"version",title:n.version,cell:({version:r})=>r},{name:"action",title:c.actions,isTitleHidden:!0,cell:r=>r.state==="alive"&&M.value&&o`<button onClick=${()=>Ol(r,t)}>${c.workers.drain} …</button>`}];return o`<${Z} label=${c.workers.title} rows=${e} keyOf=${({id:r})=>r} columns=${s} />`}function xl({names:e}){return e===null?c.workers.any:o`<details>
		<summary>${c.workers.handlers(e.length)}</summary>
		<ul>${e.map(t=>o`<li key=${t}><code>${t}</code></li>`)}</ul>
	</details>`}async function Ol({id:e},t){let n=c.workers;await ae({title:`${n.drain} ${e}`,text:n.drainText,action:n.drain})&&await D(()=>N(`/workers/${e}/drain`).then(t),n.drained)}export{rr as app,$r as apps,br as bulk,lo as failures,Uo as job,sa as jobs,da as log,Va as run,Si as runs,sl as schedule,$l as schedules,yl as workers};
