// licences.txt names what is in it.
import{$ as k,A as un,Aa as kn,B as $n,Ba as xn,C as dn,Ca as Sn,D as B,Da as Ye,E as U,Ea as Et,F as He,Fa as On,G as Ee,Ga as An,H as ge,Ha as jn,I as pn,Ia as Mn,J as Se,Ja as Tn,K as c,Ka as En,L as o,La as _n,M as q,Ma as Rn,N as G,Na as Cn,O as J,Oa as Nn,P as D,Pa as ze,Q as fn,R as pe,S as mn,T as hn,U as Fe,V as ie,W as Be,X as vn,Y as bn,Z as K,_ as Je,a as F,aa as I,b as ve,ba as Y,c as M,ca as fe,d as oe,da as Ue,e as qe,ea as We,f as v,fa as we,g as an,ga as L,h as V,ha as gn,i as ln,ia as x,j as w,ja as _e,k as $e,ka as S,l as de,la as z,m as ae,ma as y,n as C,na as Oe,o as be,oa as wn,p as se,pa as b,q as xe,qa as Ve,r as At,ra as yn,s as N,sa as Z,t as jt,ta as P,u as ee,ua as Ae,v as cn,va as j,w as T,wa as Ge,x as _,xa as Ke,y as R,ya as Mt,z as Te,za as Tt}from"./dashboard.js";var In=50;function er(){let{id:e}=T.value,t=b(async n=>{let[s,r,a]=await Promise.all([w(`/apps/${e}`,[],n),w(`/apps/${e}/builds`,[["limit",In]],n),w(`/apps/${e}/history`,[["limit",In]],n)]),i=r.meta.hasMore||a.meta.hasMore;return{app:s.data,builds:r.data,history:a.data,isCut:i}},[e]);return P("apps",t.again,n=>n.has(e)),o`<${x} asked=${t} lines=${8}>${n=>o`<${tr} ...${n} again=${t.again} />`}<//>`}function tr({app:e,builds:t,history:n,isCut:s,again:r}){let a=Z(t,"builds",({id:l})=>l),i=c.apps;return o`<div class="screen-head">
			<div><h1>${e.name}</h1><p class="quiet"><code>${e.repoUrl}</code></p></div>
			${j.value&&o`<div class="actions">
				<button onClick=${()=>D(()=>C(`/apps/${e.id}/retry`).then(r))}>${i.retry}</button>
				<button class="main" onClick=${()=>D(()=>C(`/apps/${e.id}/builds`).then(r))}>
					${i.build}
				</button>
			</div>`}
		</div>
		<p>${e.description}</p>
		<p class="tags">
			<${S} status=${e.ingestStatus} />
			${e.tags.map(({key:l,value:$})=>o`<span class="tag" key=${l+$}>${l}:${$}</span>`)}
		</p>
		${e.ingestError&&o`<p class="error-message"><code>${e.ingestError}</code></p>`}
		${s&&o`<p class="note">${c.apps.cut}</p>`}
		<${sr} tiles=${e.previewTiles} />
		<section class="stack">
			<h2>${i.builds}</h2>
			${a.length===0?o`<p class="quiet">${i.noBuilds}</p>`:a.map(l=>o`
				<${rr} key=${l.id} build=${l} again=${r} />
			`)}
		</section>
		<section class="card stack">
			<h2>${i.history}</h2>
			<ol class="needs">
				${n.map(l=>o`<li key=${l.id}>
					<${S} status=${l.status} /> ${l.message}
					<small><${y} at=${l.createdAt} /></small> <${I} id=${l.jobRunId} />
				</li>`)}
			</ol>
		</section>`}var _t=({src:e,posterUrl:t,embedUrl:n})=>e??t??n??"";function nr({tile:e}){let t=_t(e),n=e.title??t;return/^https?:/.test(t)?o`<a href=${t} rel="noreferrer">${n}</a>`:n}function sr({tiles:e}){return e.length===0?null:o`<section class="stack">
		<h2>${c.apps.previews}</h2>
		<ul class="cards">
			${e.map(t=>o`<li class="card stack" key=${t.id}>
				${_t(t).startsWith("data:image/")?o`
					<img class="preview" src=${_t(t)} alt=${t.title??c.apps.preview} />
					${t.title&&o`<small>${t.title}</small>`}
				`:o`<${nr} tile=${t} />`}
			</li>`)}
		</ul>
	</section>`}function rr({build:e,again:t}){let{id:n,status:s,imageTag:r,errorMessage:a,commitSha:i,createdAt:l,startedAt:$,completedAt:u,durationMs:d,hasLogs:p,jobRunId:f}=e,h=v(!1),m=({target:A})=>h.value=A.open,g=c.apps;return o`<article class="card stack">
		<div class="screen-head">
			<h3><span class="id">${fe(n)}</span></h3>
			<${S} status=${s} />
			<small><${y} at=${l} /> · <${Oe} from=${$} to=${u} ms=${d} /></small>
			${f&&o`<${I} id=${f} />`}
			${s==="failed"&&j.value&&o`
				<div class="actions"><button onClick=${()=>D(()=>C(`/builds/${n}/retry`).then(t))}>${g.rebuild}</button></div>
			`}
		</div>
		<p>
			${r&&o`<code>${r}</code>`}${" "}
			${i&&o`<small class="id">${i.slice(0,12)}</small>`}
		</p>
		${a&&o`<p class="problem">${a}</p>`}
		${p&&o`<details onToggle=${m}>
			<summary>${g.log}</summary>
			${h.value&&o`<${or} id=${n} status=${s} />`}
		</details>`}
	</article>`}function or({id:e,status:t}){let n=b(s=>w(`/builds/${e}/logs`,[],s),[e],{newer:[t],everyMs:t==="running"?2e3:void 0});return o`<${x} asked=${n}>
		${({data:s})=>o`<pre class="log-lines" tabindex="0" aria-label=${c.apps.log}>${s.logs}</pre>`}
	<//>`}var ar=48;function ir(){let e=Object.fromEntries(T.value.words),t=a=>async i=>{let{data:l,meta:$,total:u}=await w("/apps",[["q",e.q],["status",e.status],["limit",ar],["offset",a]],i);return{rows:l,total:u??l.length,next:$.nextOffset}},n=b(t(0),[e.q,e.status]),s=v(e.q??""),r=a=>{a.preventDefault(),U({words:s.value?[["q",s.value]]:[]})};return o`<div class="screen-head">
			<h1>${c.apps.title} ${n.answer&&o`<span class="count">${Se(n.answer.total)}</span>`}</h1>
			<form class="group" role="search" onSubmit=${r}>
				<input
					type="search" data-filter aria-label=${c.apps.search} placeholder=${c.apps.search}
					value=${s.value} onInput=${q(s)} />
			</form>
		</div>
		<${x} asked=${n}>
			${({rows:a})=>o`<${lr} found=${a} isAll=${!e.q&&!e.status} /><${pe} asked=${n} load=${i=>t(i)()} />`}
		<//>`}function lr({found:e,isAll:t}){let n=Z(e,"apps",({id:s})=>s);return n.length===0&&!t?o`<${L} title=${c.apps.noMatch} />`:n.length===0?o`<${L} title=${c.apps.empty} hint=${c.apps.emptyHint} command=${c.apps.emptyCommand} />`:o`<ul class="cards">${n.map(s=>o`<${cr} key=${s.id} app=${s} />`)}</ul>`}function cr({app:e}){return o`<li class="card stack">
		<div class="screen-head">
			<h2><${k} to=${{view:"app",id:e.id}}>${e.name}<//></h2>
			<${S} status=${e.ingestStatus} />
		</div>
		<p class="two-lines">${e.description}</p>
		${e.ingestError&&o`<p class="problem">${e.ingestError}</p>`}
		<p class="tags">
			${e.tags.map(({key:t,value:n})=>o`<span class="tag" key=${t+n}>${t}:${n}</span>`)}
		</p>
		<p class="quiet">
			${e.latestBuild&&o`
				<${S} status=${e.latestBuild.status} label=${c.apps.buildIs(e.latestBuild.status)} />
			`}${" "}
			<${y} at=${e.updatedAt} />
		</p>
	</li>`}function le({runs:e,selected:t,sort:n="",isBrief:s=!1,isOfOneJob:r=!1}){let a=c.runs.columns,i=[{name:"first",title:a.run,cell:l=>o`<${I} id=${l.id} />`},{name:"job",title:a.job,cell:l=>o`<${Y} slug=${l.slug} />`},{name:"status",title:a.status,cell:l=>o`<${$r} run=${l} />`},{name:"took",title:a.took,cell:l=>o`<${Oe} from=${l.startedAt} to=${l.completedAt} ms=${l.durationMs} />`},n==="ended"?{name:"created",title:a.ended,cell:l=>o`<${y} at=${l.completedAt} />`}:{name:"created",title:a.created,cell:l=>o`<${y} at=${l.createdAt} />`}];return s||i.push({name:"why",title:a.why,cell:l=>o`<${dr} run=${l} />`}),r&&i.splice(1,1),t&&i.unshift(pr(e,t)),o`<${z} label=${c.runs.title} rows=${e} keyOf=${ur} columns=${i}
		rowClass=${({id:l})=>t?.value.has(l)?"is-selected":""} />`}var ur=({id:e})=>e;function $r({run:e}){let t=e.attempt>1;return o`<${S} status=${e.status} />${" "}
		${t&&o`<small>${c.runs.attemptOf(e.attempt,e.maxAttempts)}</small>`}`}function dr({run:e}){if(e.errorMessage)return o`<span class="one-line">${e.errorMessage}</span>`;if(e.status==="pending")return o`<small>${c.runs.dueAt} <${y} at=${e.scheduledAt} /></small>`;let t=Object.entries(e.parameters??{});return o`<span class="one-line quiet">
		${t.map(([n,s])=>`${n}=${JSON.stringify(s)}`).join(" ")}</span>
	`}function pr(e,t){let n=a=>{let i=new Set(t.value);i.delete(a)||i.add(a),t.value=i},s=e.length>0&&e.every(({id:a})=>t.value.has(a)),r=()=>t.value=s?new Set:new Set(e.map(({id:a})=>a));return{name:"select",title:o`<input type="checkbox" aria-label=${c.runs.selectAll} checked=${s} onChange=${r} />`,cell:({id:a})=>o`<input type="checkbox" aria-label=${c.runs.select(fe(a))} checked=${t.value.has(a)}
				onChange=${()=>n(a)} />`}}function fr(){let{id:e}=T.value,t=b(async n=>{if(!e)return Ln(null,n);let{data:s}=await w(`/bulk/${e}`,R.value,n);return{rows:[s],next:null}},[e]);return o`<h1>${c.views.bulk}</h1>
		<${x} asked=${t}>
			${({rows:n})=>o`<${mr} operations=${n} /><${pe} asked=${t} load=${Ln} text=${c.older} />`}
		<//>`}var Ln=(e,t)=>$e("/bulk",R.value,e,t);function mr({operations:e}){let t=Z(e,"bulk",({id:n})=>n);return t.length===0?o`<${L} title=${c.bulk.empty} hint=${c.bulk.emptyHint} />`:o`<ul class="stack">
		${t.map(n=>o`<${hr} key=${n.id} operation=${n} />`)}
	</ul>`}function hr({operation:e}){let{id:t,action:n,filter:s,status:r,total:a,done:i,refused:l,reason:$,requestedBy:u,createdAt:d,refusals:p}=e,f=c.bulk,h={title:f.abort,text:f.abortHint,action:f.abort},m=()=>Be(h,`/bulk/${t}/abort`,f.abort);return o`<li class="card stack">
		<div class="screen-head">
			<h2>${c.bulk.title(n)}</h2>
			<span class="id">${fe(t)}</span> <${S} status=${r} />
			${r==="running"&&j.value&&o`
				<div class="actions"><button class="danger" onClick=${m}>${c.bulk.abort} …</button></div>
			`}
		</div>
		<p class="command"><code>${s.join("  ")}</code></p>
		<progress max=${Math.max(a,1)} value=${a===0?1:i+l}
			aria-label=${c.bulk.running(e)}>
		</progress>
		<p>${c.bulk.running(e)}</p>
		<p class="quiet">${$} · ${u} · <${y} at=${d} /></p>
		${n!=="cancel"&&!_.value&&o`<${gr} operation=${e} isOpen=${T.value.id===t} />`}
		${p.length>0&&o`<ul class="refused">
			${p.slice(0,10).map(({run:g,why:A})=>o`<li key=${g}>${c.bulk.one(g,A)}</li>`)}
		</ul>`}
	</li>`}var vr=10,br=3e3;function gr({operation:e,isOpen:t}){let n=v(t);return o`<details open=${t} onToggle=${({target:r})=>n.value=r.open}>
		<summary>${c.bulk.launched}</summary>
		${n.value&&o`<${wr} operation=${e} />`}
	</details>`}function wr({operation:{id:e,done:t}}){let n=b(r=>w(`/bulk/${e}/runs`,[["limit",vr]],r),[e],{newer:[t],everyMs:br});return o`<${x} asked=${n} lines=${3}>${({data:r,meta:a})=>o`<div class="stack">
		${r.length===0&&o`<p class="quiet">${c.bulk.none}</p>`}
		<p>
			${Object.entries(a.counts??{}).filter(([,i])=>i>0).map(([i,l])=>o`
				<span class="tag" key=${i}>${c.bulk.went(l,i)}</span>${" "}
			`)}
		</p>
		${a.hasMore&&o`<p class="quiet">${c.bulk.newest(r.length)}</p>`}
		${r.length>0&&o`<${le} runs=${r} />`}
	</div>`}<//>`}function Ze({action:e,words:t,onClose:n}){let s={action:e,filter:kn(t)},r=b(()=>C("/bulk",{...s,dryRun:!0}),[]);return o`<${Fe} title=${c.bulk.title(e)} onClose=${n} className="wide">
		<p class="command"><code>${s.filter.join("  ")}</code></p>
		<${x} asked=${r}>
			${({data:a})=>o`
				<${yr} preview=${a} /><${kr} order=${s} count=${a.count} onClose=${n} />
			`}
		<//>
	<//>`}function yr({preview:e}){let{count:t,position:n,sample:s,refused:r}=e;return o`<div class="stack">
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
		${s.length>0&&o`<div><h3>${c.bulk.sample}</h3><${le} runs=${s} isBrief /></div>`}
	</div>`}function kr({order:e,count:t,onClose:n}){let s=v(""),r=v(""),a=v(""),i=v(""),l=M(se()),$=t>0&&s.value.trim()!==""&&(!vn||a.value===pn.name);return o`<form class="stack" onSubmit=${async d=>{d.preventDefault();try{let p=r.value.trim()&&JSON.parse(r.value),f={...e,reason:s.value,...p&&{patch:{parameters:p}}},{data:h}=await C("/bulk",f,{"Idempotency-Key":l.current});J(c.bulk.title(e.action)),n(),B({view:"bulk",id:h.id})}catch(p){i.value=p instanceof SyntaxError?c.jobs.badJson:V(p).message}}}>
		<label>${c.reason}<input required maxlength="1000" value=${s.value} onInput=${q(s)} /></label>
		${e.action==="rerun"&&o`
			<label>${c.bulk.patch}<textarea rows="3" placeholder="{}" value=${r.value} onInput=${q(r)}></textarea></label>
		`}
		<${bn} name=${a} />
		${i.value&&o`<p class="problem" role="alert">${i.value}</p>`}
		<div class="actions">
			<button type="button" onClick=${n}>${c.leaveIt}</button>
			<button class="danger" disabled=${!$}>${c.bulk.go(c.bulk.actions[e.action],t)}</button>
		</div>
	</form>`}var Dn=/[\x00-\x08\x0b-\x1f\x7f-\x9f]/,xr=new RegExp([/\x1b\[([0-?]*)[ -/]*([@-~])/,/\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?/,/\x1b[PX^_][^\x1b]*(?:\x1b\\)?/,/\x1b[ -/]*[0-~]/,/[\x00-\x08\x0b-\x1f\x7f-\x9f]/,/[^\x00-\x08\x0b-\x1f\x7f-\x9f]+/].map(({source:e})=>e).join("|"),"g"),Qe={foreground:null,background:null,is:new Set,classes:""},Sr=[];function Hn(e,t){if(t===Qe&&!Dn.test(e)&&!e.includes("	"))return{text:e.length>1e4?e.slice(0,1e4):e,spans:Sr,style:t};let n=new Ct(t);for(let[s,r,a]of e.matchAll(xr))a?n.control(a,r):s==="\r"?n.column=0:s==="\b"?n.column=Math.max(n.column-1,0):Dn.test(s)||n.write(s);return{text:n.characters.join(""),spans:n.spans(),style:n.style}}var Ct=class{constructor(t){this.style=t,this.column=0,this.characters=[],this.classes=[]}write(t){for(let n of t)if(n==="	")do this.#e(" ");while(this.column%8!==0&&this.column<1e4);else this.#e(n)}#e(t){if(!(this.column>=1e4)){for(;this.characters.length<this.column;)this.characters.push(" "),this.classes.push("");this.characters[this.column]=t,this.classes[this.column]=this.style.classes,this.column+=1}}control(t,n){let s=Number.parseInt(n,10)||0;t==="m"&&!Or.test(n)?this.style=Ar(this.style,n):t==="K"?this.#t(s):t==="C"?this.column=Math.min(this.column+(s||1),1e4):t==="D"?this.column=Math.max(this.column-(s||1),0):t==="G"&&(this.column=Math.min((s||1)-1,1e4))}#t(t){let n=t===0?this.column:0;if(t===1){let s=Math.min(this.column+1,this.characters.length);this.characters.fill(" ",0,s),this.classes.fill("",0,s)}else this.characters.length=Math.min(n,this.characters.length),this.classes.length=this.characters.length}spans(){let t=[],n=0;for(let[s,r]of this.characters.entries()){let a=this.classes[s],i=t.at(-1),l=n+r.length;a&&i?.to===n&&i.classes===a?i.to=l:a&&t.length<500&&t.push({from:n,to:l,classes:a}),n=l}return t}},Or=/[<=>?]/,Pn={1:"bold",2:"dim",3:"italic",4:"underline",7:"inverse",9:"strike"},qn={21:["bold"],22:["bold","dim"],23:["italic"],24:["underline"],27:["inverse"],29:["strike"]};function Ar(e,t){let{foreground:n,background:s}=e,r=new Set(e.is),a=t.split(";");for(let i=a.shift();i!==void 0;i=a.shift()){let[l,...$]=i.split(":").map(Number);if(l===0)n=s=null,r=new Set;else if(l===38||l===48){let u=$.length>0?Fn($[0],$.slice($[0]===2?-3:1)):jr(a);l===38?n=u:s=u}else if(l===4&&$[0]===0)r.delete("underline");else if(Pn[l])r.add(Pn[l]);else if(qn[l])for(let u of qn[l])r.delete(u);else l===39?n=null:l===49?s=null:Xe(l,30)||Xe(l,90)?n=l%10:(Xe(l,40)||Xe(l,100))&&(s=l%10)}return n===null&&s===null&&r.size===0?Qe:{foreground:n,background:s,is:r,classes:Tr(n,s,r)}}var Xe=(e,t)=>e>=t&&e<t+8;function jr(e){let t=Number(e.shift());return Fn(t,e.splice(0,t===2?3:1).map(Number))}function Fn(e,t){if(e===2)return Rt(t);let[n=0]=t;if(e!==5)return null;if(n<16)return n%8;if(n>=232)return Rt([1,1,1].map(r=>r*(8+10*(n-232))));let s=n-16;return Rt([Math.floor(s/36),Math.floor(s/6)%6,s%6].map(r=>r*51))}var Mr=48;function Rt([e=0,t=0,n=0]){let s=Math.max(e,t,n),r=Math.min(e,t,n);if(s-r<Mr)return s<128?0:7;let a=(s+r)/2;return(e>a?1:0)+(t>a?2:0)+(n>a?4:0)}function Tr(e,t,n){let s=n.has("inverse")?e??7:t,r=s===null?e!==null&&`ansi-${e}`:`ansi-on-${s}`,a=[...n].filter(i=>i!=="inverse").map(i=>`ansi-${i}`);return[r,...a].filter(Boolean).join(" ")}var Er=1e5,_r=1e4,Bn=1e5,Wn=/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z /,ye=class{dropped=0;#e=[];#t=[];#s=new Map;#r=Qe;#n="";#o=!1;get end(){return this.finished+(this.#n!==""&&!this.#o?1:0)}get finished(){return this.dropped+this.#e.length}add(t){let n=(this.#n+t).split(`
`);this.#n=Rr(n.pop()??"");for(let r of n)this.#a(r);let s=this.#e.length-Er;s>_r&&this.#i(s)}finish(){this.#n!==""&&!this.#o&&this.#a(this.#n),this.#o=!0}line(t){return t>=this.finished?Jn(this.#n,this.#r):{text:this.#e[t-this.dropped]??"",spans:this.#s.get(t)??[]}}width(t){return t>=this.finished?Un(this.line(t).text):this.#t[t-this.dropped]}#a(t){let{text:n,spans:s,style:r}=Jn(t,this.#r);this.#r=r,s.length>0&&this.#s.set(this.finished,s),this.#e.push(n),this.#t.push(Un(n))}#i(t){this.#e.splice(0,t),this.#t.splice(0,t),this.dropped+=t;for(let n of this.#s.keys()){if(n>=this.dropped)break;this.#s.delete(n)}}};function Jn(e,t){let n=Wn.exec(e)?.[0]??"",s=Hn(e.slice(n.length),t),r=s.spans.map(a=>({...a,from:a.from+n.length,to:a.to+n.length}));return{...s,text:n+s.text,spans:r}}function Rr(e){if(e.length<=Bn)return e;let t=Wn.exec(e)?.[0]??"",n=e.slice(Math.max(e.lastIndexOf("\r")+1,t.length));return(t+n).slice(0,Bn)}var Cr=/^[ -~]*$/,Nr=new RegExp("[\\u1100-\\u115f\\u2e80-\\ua4cf\\uac00-\\ud7a3\\uf900-\\ufaff\\ufe30-\\ufe6f\\uff00-\\uff60\\uffe0-\\uffe6]|\\p{Emoji_Presentation}|[\\u{20000}-\\u{3fffd}]","gu");function Un(e){if(Cr.test(e))return e.length;let t=e.match(Nr)?.length??0;return[...e].length+t}function Vn(e,t,n){let s=e.dropped,r=e.end-s;if(t===null)return{first:s,count:r,begins:i=>i};let a=new Float64Array(r+1);for(let i=0;i<r;i+=1){let l=s+i,$=n.get(l)??Math.max(Math.ceil(e.width(l)/t),1);a[i+1]=a[i]+$}return{first:s,count:r,begins:i=>a[i]}}function et(e,{count:t,begins:n}){let s=0,r=Math.max(t-1,0);for(;s<r;){let a=Math.ceil((s+r)/2);n(a)<=e?s=a:r=a-1}return s}function tt(e){return e===""?null:new RegExp(e.replace(/[\\^$.*+?()[\]{}|]/g,"\\$&"),"gi")}var je=class{hits=[];#e=0;#t;constructor(t){this.#t=new RegExp(t.source,"i")}advance(t,n){for(this.hits[0]<t.dropped&&(this.hits=this.hits.filter(s=>s>=t.dropped)),this.#e=Math.max(this.#e,t.dropped);this.#e<t.finished;){if(this.#e%256===0&&n())return!1;this.#t.test(t.line(this.#e).text)&&this.hits.push(this.#e),this.#e+=1}return!0}};function Gn(e,t,n,s){if(e.length===0)return null;let r=t??(s===1?n.first-1:n.last+1),a=e.findIndex(l=>l>r);if(s===1)return a===-1?e[0]:e[a];let i=e.findLastIndex(l=>l<r);return i===-1?e[e.length-1]:e[i]}function Re({text:e,spans:t},n){let r=(n===null?[]:[...e.matchAll(n)]).map(({index:d,0:{length:p}})=>({from:d,to:d+p})),a=[0,e.length,...[...t,...r].flatMap(({from:d,to:p})=>[d,p])],i=[...new Set(a)].sort((d,p)=>d-p),l=d=>{let p=0;return f=>{for(;d[p]?.to<=f;)p+=1;return d[p]?.from<=f?d[p]:null}},$=l(t),u=l(r);return i.slice(1).map((d,p)=>{let f=i[p];return{text:e.slice(f,d),classes:$(f)?.classes??"",isHit:u(f)!==null}})}var re=20,Kn=20;function zn({run:e}){let t=Object.fromEntries(T.value.words),n=Yn(t.attempt,e.attempt)??e.attempt,s=Yn(t.line,1/0),r=t.find??"",{log:a,version:i,isGrowing:l,error:$}=Vr(e.id,n),u=c.run.log,d=({target:p})=>U({words:[["attempt",p.value]]});return o`<section class="card stack log">
		${_.value&&o`<p class="note">${c.past.notHere}</p>`}
		${e.attempt>1&&o`<label class="inline">
			${c.run.attempts}
			<select value=${n} onChange=${d}>
				${Array.from({length:e.attempt},(p,f)=>o`
					<option key=${f} value=${f+1}>${c.run.attempt(f+1)}</option>
				`)}
			</select>
		</label>`}
		${$&&o`<${gn} error=${$} />`}
		${a.dropped>0&&o`<p class="note">${u.cut}</p>`}
		${a.end===0&&!$?o`<p class="quiet">${l?c.loading:u.empty}</p>`:o`<${Ir} log=${a} version=${i} isGrowing=${l} attempt=${n} linked=${s} find=${r}
			save=${()=>D(()=>Jr(e.id,n))} key=${n} />`}
	</section>`}function Yn(e,t){return/^[1-9][0-9]{0,8}$/.test(e??"")&&Number(e)<=t?Number(e):null}function Ir({log:e,version:t,isGrowing:n,attempt:s,linked:r,find:a,save:i}){let l=c.run.log,$=v(a),u=v(null),d=oe(()=>tt($.value),[$.value]),p=Br(e,t,d),f=u.value??(r===null?null:r-1),h=Hr(e,t,f,r===null),m=M(null);F(()=>{if(r===null||m.current===r||r>h.layout.first+h.layout.count)return;m.current=r;let{first:H,last:ue}=h.visible();(r-1<H||r-1>ue)&&h.show(r-1)},[r,t]);let g=H=>{let ue=Gn(p,u.value,h.visible(),H);ue!==null&&(u.value=ue,h.show(ue))},A=H=>{u.value=null,q($)(H)},O=H=>{H.preventDefault(),g(1)},X=({target:H})=>Ee.value=H.checked,te=H=>{H.key!=="Enter"||!H.shiftKey||(H.preventDefault(),g(-1))},ne=u.value===null?-1:p.indexOf(u.value),W=h.sticks.value?l.follows:l.grows;return o`<form class="group" role="search" onSubmit=${O}>
			<input type="search" aria-label=${l.search} placeholder=${l.search} value=${$.value}
				onInput=${A} onKeyDown=${te} />
			<button type="button" aria-label=${l.previous} title=${l.previous} disabled=${p.length===0}
				onClick=${()=>g(-1)}>↑</button>
			<button type="button" aria-label=${l.next} title=${l.next} disabled=${p.length===0}
				onClick=${()=>g(1)}>↓</button>
			${d&&o`<span class="quiet" role="status">
				${ne===-1?l.found(p.length):l.hit(ne+1,p.length)}</span>`}
			<span class="quiet">${l.lines(e.end)}${n?` \xB7 ${W}`:""}</span>
			<label class="check"><input type="checkbox" checked=${Ee.value}
				onChange=${X} />${l.wrap}</label>
			<button type="button" disabled=${h.sticks.value} onClick=${h.toEnd}>${l.latest}</button>
			<button type="button" onClick=${i}>${l.download}</button>
		</form>
		<div class="log-box ${Ee.value?"is-wrapped":""}" ref=${h.element} tabindex="0" role="log"
			aria-live="off" aria-label=${c.run.tabs.log} ...${h.handlers}>
			<div class="line is-ruler" aria-hidden="true"><span class="line-number"></span><span class="line-text"
				><span>${"0".repeat(Xn)}</span></span></div>
			<${Lr} log=${e} version=${t} box=${h} pattern=${d} attempt=${s}
				current=${u.value} linked=${r} />
		</div>`}function Lr({log:e,box:t,pattern:n,attempt:s,current:r,linked:a}){let{begins:i,count:l}=t.layout,{top:$,height:u}=t.view.value,d=et(Math.floor($/re)-Kn,t.layout),p=Math.min(et(Math.ceil(($+u)/re)+Kn,t.layout)+1,l),f=Array.from({length:p-d},(A,O)=>t.layout.first+d+O),h=M(null);ve(()=>h.current?t.measure(h.current):void 0);let m=A=>({...T.value,words:[["attempt",s],["line",A+1]]}),g=A=>A===r?"is-current":A+1===a?"is-linked":"";return o`<svg class="spacer" width="1" height=${i(d)*re} aria-hidden="true"></svg>
		<div ref=${h}>
			${f.map(A=>o`<div class="line ${g(A)}" key=${A} data-number=${A}>
				<${k} to=${m(A)} class="line-number" tabindex="-1" aria-label=${c.run.log.line(A+1)}>
					${A+1}<//>
				<span class="line-text">${Re(e.line(A),n).map(nt)}</span>
			</div>`)}
		</div>
		<svg class="spacer" width="1" height=${(i(l)-i(p))*re} aria-hidden="true"></svg>`}function Zn({text:e}){let t=oe(()=>Dr(e),[e]);return Array.from({length:t.end},(n,s)=>o`${Re(t.line(s),null).map(nt)}${`
`}`)}function Dr(e){let t=new ye;return t.add(e),t.finish(),t}function nt({text:e,classes:t,isHit:n}){let s=t?o`<span class=${t}>${e}</span>`:e;return n?o`<mark>${s}</mark>`:s}var Xn=100,Pr=200,qr=["ArrowUp","PageUp","Home"];function Hr(e,t,n,s){let r=M(null),a=v({top:0,height:480,columns:80}),i=v(s),l=M(0),$=M({first:0,last:0}),u=M({before:0,now:0,at:0}),d=M({columns:null,rows:new Map}),p=v(0),f=Ee.value?a.value.columns:null;d.current.columns!==f&&(d.current={columns:f,rows:new Map});let h=oe(()=>Vn(e,f,d.current.rows),[e,t,f,p.value]),m=()=>{let{top:E,height:Q}=a.value,he=ke=>h.first+et(ke,h);return{first:he(Math.ceil(E/re)),last:he(Math.floor((E+Q)/re)-1)}},g=()=>r.current.scrollHeight-r.current.clientHeight,A=()=>performance.now()-u.current.at<Pr?u.current.before:g(),O=()=>{let{scrollTop:E,clientHeight:Q}=r.current;a.value={...a.value,top:E,height:Q},$.current=m()},X=E=>h.begins(Math.min(Math.max(E-h.first,0),h.count))*re,te=E=>{r.current.scrollTop=E,l.current=r.current.scrollTop,O()},ne=E=>{i.value=!1,te(Math.max(X(E)-r.current.clientHeight/2,0))},W=()=>{i.value=!0,te(r.current.scrollHeight)},H=()=>{r.current.scrollTop>0&&(i.value=!1)},ue=()=>{let{scrollTop:E}=r.current;return E<l.current&&E<g()-re},Qs=()=>{let{scrollTop:E}=r.current;ue()?i.value=!1:E>l.current&&E>A()-re&&(i.value=!0),l.current=E,O()};return ve(()=>{u.current={before:u.current.now,now:g(),at:performance.now()},i.value&&ue()&&(i.value=!1),i.value&&W()},[t,f,p.value,a.value.height]),ve(()=>{if(i.value)return;let{first:E,last:Q}=$.current;n!==null&&n>=E&&n<=Q?ne(n):te(X(E))},[f]),ve(()=>{let E=new ResizeObserver(()=>{let Q=r.current.querySelector(".is-ruler .line-text"),he=Q.firstElementChild.getBoundingClientRect().width/Xn,{clientHeight:ke}=r.current;a.value={...a.value,height:ke,columns:Math.max(Math.floor(Q.clientWidth/he),1)},i.peek()&&W()});return E.observe(r.current),()=>E.disconnect()},[]),{element:r,view:a,sticks:i,layout:h,toEnd:W,visible:m,show:ne,measure:E=>{if(f===null)return;let Q=!1;for(let he of E.children){let ke=Number(he.dataset.number),rn=ke-h.first,on=Math.max(Math.round(he.offsetHeight/re),1);on!==h.begins(rn+1)-h.begins(rn)&&(d.current.rows.set(ke,on),Q=!0)}Q&&(p.value+=1)},handlers:{onScroll:Qs,onWheel:({deltaY:E})=>E<0&&H(),onTouchMove:H,onKeyDown:({key:E})=>qr.includes(E)&&H()}}}var Fr=8;function Br(e,t,n){let s=oe(()=>n&&new je(n),[e,n]),r=v(0);return F(()=>{if(s===null)return;let a,i=()=>{let l=performance.now(),$=s.advance(e,()=>performance.now()-l>Fr);r.value+=1,$||(a=setTimeout(i))};return i(),()=>clearTimeout(a)},[s,t]),r.value>=0&&s!==null?s.hits:[]}async function Jr(e,t){let n=[];for await(let{piece:r}of be(`/job-runs/${e}/logs`,[["attempt",t]]))n.push(r);let s=document.createElement("a");s.href=URL.createObjectURL(new Blob(n,{type:"text/plain"})),s.download=`${e}-${t}.log`,s.click(),URL.revokeObjectURL(s.href)}var Ur=1e3,Wr=80;function Vr(e,t){let n=()=>({log:new ye,version:0,isGrowing:!0,error:null}),s=v(n());return F(()=>{let r=new AbortController;s.value=n();let{log:a}=s.value,i=l=>s.value={...s.value,version:s.value.version+1,...l};return Gr(e,t,a,r.signal,i),()=>r.abort()},[e,t]),s.value}async function Gr(e,t,n,s,r){let a=0,i,l=()=>{i=void 0,s.aborted||r({error:null})};for(;!s.aborted;)try{let $=[["attempt",t],["offset",a],["follow",!0]];for await(let{piece:u,bytes:d}of be(`/job-runs/${e}/logs`,$,s))n.add(u),a+=d,i??=setTimeout(l,Wr);if(clearTimeout(i),s.aborted)return;n.finish(),r({error:null,isGrowing:!1});return}catch($){if(s.aborted)return;let u=V($),d=u.status!==void 0&&u.status>=400&&u.status<500;if(r(d?{error:u,isGrowing:!1}:{error:u}),d)return;await new Promise(p=>setTimeout(p,Ur))}}var Kr=1e3,Yr=4,zr=3;function Qn({runs:e}){let t=c.failures.logs,n=v(""),s=v(null),r=M(null);return F(()=>()=>r.current?.abort(),[]),o`<section class="stack">
		<form class="group" role="search" onSubmit=${i=>{i.preventDefault(),r.current?.abort(),r.current=new AbortController,Xr(e,n.value,r.current.signal,l=>s.value=l)}}>
			<input type="search" required aria-label=${t.search} placeholder=${t.search} value=${n.value}
				onInput=${q(n)} />
			<button>${t.go}</button>
		</form>
		${s.value&&o`<${Zr} ...${s.value} count=${e.length} />`}
	</section>`}function Zr({sought:e,results:t,count:n}){let s=c.failures.logs,r=t.filter(l=>l!==void 0),a=r.filter(({hits:l})=>l),i=r.filter(({hits:l})=>l===null).length;return o`<p class="quiet" role="status">
			${s.searched(a.length,r.length,n)}${i>0&&` ${s.unread(i)}`}
		</p>
		<ul class="stack found-logs">
			${a.map(({run:l,hits:$,lines:u})=>o`<li key=${l.id}>
				<p><${I} id=${l.id} /> · <${k}
					to=${{view:"run",id:l.id,tab:"log",words:[["attempt",l.attempt],["find",e]]}}>
					${s.hits($??0)}<//></p>
				<pre class="json" tabindex="0"><code>${u.map(d=>o`${d.map(nt)}${`
`}`)}</code></pre>
			</li>`)}
		</ul>`}async function Xr(e,t,n,s){let r=tt(t);if(!r)return;let a=Array.from(e,()=>{}),i=0,l=async()=>{for(;i<e.length&&!n.aborted;){let $=i;i+=1;let u=await Qr(e[$],r,n);if(n.aborted)return;a[$]=u,s({sought:t,results:[...a]})}};s({sought:t,results:a}),await Promise.all(Array.from({length:Yr},l))}async function Qr(e,t,n){if(e.attempt===0)return{run:e,hits:0,lines:[]};let s=new ye;try{let i=[["attempt",e.attempt],["last",Kr]];for await(let{piece:l}of be(`/job-runs/${e.id}/logs`,i,n))s.add(l)}catch{return{run:e,hits:null,lines:[]}}s.finish();let r=new je(t);r.advance(s,()=>!1);let{hits:a}=r;return{run:e,hits:a.length,lines:a.slice(0,zr).map(i=>Re(s.line(i),t))}}var eo=["open","resolved","ignored"];function to(){let{words:e,id:t}=T.value,n=Object.fromEntries(e),s=n.status??"open",r=b(l=>es(t,s,n.job,l),[t,s,n.job]);P("failures",r.again);let a=l=>U({id:"",words:[["status",l],...e.filter(([$])=>$!=="status")]}),i=l=>es("",s,n.job,void 0,l);return o`<div class="screen-head">
			<h1>${c.failures.title}</h1>
			<div class="group" role="group" aria-label=${c.runs.columns.status}>
				${eo.map(l=>o`
					<button key=${l} aria-pressed=${!t&&l===s} onClick=${()=>a(l)}>${l}</button>
				`)}
			</div>
		</div>
		<${x} asked=${r}>
			${({rows:l})=>o`<${so} groups=${l} asked=${r} load=${i} />`}
		<//>`}async function es(e,t,n,s,r=null){return e?{rows:[await no(e,s)],next:null}:$e("/failures",[["status",t],["job",n],...R.value],r,s)}async function no(e,t){if(_.value==="")return(await w(`/failures/${e}`,[],t)).data;let{data:n}=await w("/failures",R.value,t),s=n.find(({fingerprint:r})=>r===e);if(!s)throw new an(404,"failure_not_found",c.failures.notThen);return s}function so({groups:e,asked:t,load:n}){let s=ao(e);return e.length===0?o`<${L} title=${c.failures.empty} hint=${c.failures.emptyHint} />`:o`<ul class="stack">
			${e.map(r=>o`
				<${co} key=${r.fingerprint} group=${r} trend=${s.get(r.fingerprint)} again=${t.again}
					isOpen=${T.value.id===r.fingerprint} />
			`)}
		</ul>
		<${pe} asked=${t} load=${n} />`}var ro=864e5,st=18e5,oo=1e4,ts=100;function ao(e){let t=e.map(({fingerprint:s})=>s);return b(s=>io(t,s),[t.toSorted().join(",")],{everyMs:oo}).answer??new Map}async function io(e,t){if(_.value||e.length===0)return new Map;let n=[];for(let u=0;u<e.length;u+=ts)n.push(e.slice(u,u+ts));let s=Math.ceil(Date.now()/st)*st,[r,a]=[s-ro,s].map(u=>new Date(u).toISOString()),i={from:r,to:a,bucketMs:st},l=await Promise.all(n.map(u=>w("/failures/over-time",[["group",u.join(",")],["from",r],["bucketMs",st]],t))),$=({fingerprint:u,since:d,buckets:p})=>{let f=p.reduce((h,{failures:m})=>h+m,0);return[u,{buckets:Mn(p,i),failed:f,isWhole:Date.parse(d)<=Date.parse(r),since:d}]};return new Map(l.flatMap(({data:u})=>u).map($))}var lo={open:["resolve","ignore"],resolved:["reopen"],ignored:["reopen"]},Nt=qe("");function co({group:e,trend:t,again:n,isOpen:s}){let r=v(s),{fingerprint:a,title:i,job:l,reason:$,frame:u,status:d,count:p,recovered:f,firstAt:h,lastAt:m,affectedVersions:g,sampleRun:A}=e,O=c.failures,X=W=>D(()=>C(`/failures/${a}/${W}`).then(n),O.done[W]),te=({target:W})=>r.value=W.open,ne=[["failureGroup",a]];return o`<li class="card stack">
		<div class="screen-head">
			<${S} status=${d} />
			<h2 class="failure-title">${i}</h2>
			${j.value&&o`<div class="actions">
				${d==="open"&&o`
					<button onClick=${()=>Nt.value=a}>${O.retryAll} …</button>
				`}
				${lo[d].map(W=>o`<button key=${W} onClick=${()=>X(W)}>${O[W]}</button>`)}
			</div>`}
		</div>
		<p>
			<${Y} slug=${l} /> · <code>${$}</code> ${u&&o`· <code>${u}</code>`} ·${" "}
			${O.versions(g)}
		</p>
		<p>
			<strong>${O.times(p)}</strong>${f>0&&`, ${O.recovered(f)}`} ·${" "}
			${O.first} <${y} at=${h} /> · ${O.last} <${y} at=${m} /> · ${O.sample}:${" "}
			<${I} id=${A} /> · <${k} to=${{view:"runs",words:ne}}>${c.runs.title}<//>
		</p>
		${t&&o`<p><${ze} buckets=${t.buckets} /> <small>${t.isWhole?O.day(t.failed):O.since(t.failed,ee(t.since))}</small></p>`}
		<details open=${s} onToggle=${te}>
			<summary>${O.details}</summary>
			${r.value&&o`<${po} group=${e} />`}
		</details>
		${Nt.value===a&&o`
			<${Ze} action="retry" words=${[["job",l],...ne,["retried","false"]]} onClose=${()=>Nt.value=""} />
		`}
	</li>`}var uo=50,ns=30,$o=1e3;function po({group:e}){let{fingerprint:t,lastAt:n}=e,s=[["failureGroup",t],["limit",uo],...R.value],r=b(async a=>(await w("/job-runs",s,a)).data.map(({run:i})=>i),[t],{newer:[n]});return o`<${x} asked=${r}>
		${a=>o`<${fo} runs=${a} lastAt=${Date.parse(n)} />`}
	<//>`}function fo({runs:e,lastAt:t}){let n=c.failures;if(e.length===0)return o`<${L} title=${n.noRuns} hint=${n.noRunsHint} />`;let s=Math.min(...e.map(({completedAt:i})=>i?Date.parse(i):t)),r=Math.max((t-s)/(ns-1),$o),a=Tn(e,t,ns,r);return o`<div class="stack">
		<${wn} buckets=${a} text=${n.trend(e.length,N(t-s))}
			told=${({all:i})=>n.times(i)} />
		<${le} runs=${e.slice(0,10)} isBrief />
		<${Qn} runs=${e} />
	</div>`}function rt(e){let t=c.jobs.limitOf,{maxConcurrentRuns:n,concurrencyKey:s,concurrencyLimit:r,rateLimit:a,fairnessKey:i,workerLabels:l}=e,$=Object.entries(l??{}).map(([u,d])=>`${u}=${d}`);return[n&&t.runs(n),s&&t.key(s,r),a&&t.rate(a.limit,N(a.periodMs)),i&&t.turns(i),...$].filter(u=>typeof u=="string")}var mo=["id","slug","version","createdAt","updatedAt","paused"];function rs(e){return Object.fromEntries(Object.entries(e).filter(([t])=>!mo.includes(t)))}function os(e,t){let n=[...new Set([...Object.keys(e),...Object.keys(t)])],s=r=>JSON.stringify(e[r])!==JSON.stringify(t[r]);return Object.fromEntries(n.filter(s).map(r=>[r,t[r]??null]))}var ho=["job_definition.registered","job_definition.registered_again"];function as(e){let t={};return e.map(({position:s,type:r,occurredAt:a,actor:i,data:l})=>{let $=t;ho.includes(r)?t=l.spec??{}:r==="job_definition.revised"&&(t={...t,...l.changes});let u=r==="job_definition.registered"?[]:It($,t),d=r.replace("job_definition.","").replaceAll("_"," "),{version:p,reason:f=null}=l;return{position:s,kind:d,version:p,at:a,by:i,reason:f,changes:u}}).reverse()}var vo=new Set(["id","createdAt","updatedAt","scheduledAt","startedAt","completedAt","logsUrl","idempotencyKey"]);function It(e,t){let n=[],s=new Set([...Object.keys(e),...Object.keys(t)]);for(let r of s)vo.has(r)||is(r,e[r],t[r],n);return n}function is(e,t,n,s){if(ss(t)&&ss(n)&&Array.isArray(t)===Array.isArray(n)){let r=new Set([...Object.keys(t),...Object.keys(n)]);for(let a of r)is(`${e}.${a}`,t[a],n[a],s)}else Object.is(t,n)||s.push({path:e,before:t,after:n})}var ss=e=>typeof e=="object"&&e!==null;var bo=["string","integer","number","boolean"];function Lt(e){let t=ot("",e??{},!0,e??{},0);return t.kind==="json"&&go(e??{})?{...t,kind:"object",fields:[]}:t}var go=e=>Object.keys(e).every(t=>["type","title","description","$schema","$defs"].includes(t));function ot(e,t,n,s,r){let{schema:a,isNullable:i}=xo(Dt(t,s),s),l={name:e,title:e,hint:"",kind:"json",isRequired:n,isNullable:i};if(!a||r>6)return l;let{title:$=e,format:u,type:d}=a,p={...l,title:$,hint:[a.description,...ko(a)].filter(Boolean).join(" \xB7 "),..."default"in a&&{initial:a.default},isSecret:a.writeOnly===!0||u==="password"},f=a.enum??("const"in a?[a.const]:void 0);if(f)return{...p,kind:"choice",choices:f};let h=a.oneOf??a.anyOf;if(h&&!a.properties)return wo(p,h,s,r);if(h||a.allOf||a.patternProperties||a.prefixItems)return p;if(d==="string")return{...p,kind:d,format:u,isLong:!u&&!((a.maxLength??1/0)<=100)};if(bo.includes(d))return{...p,kind:d};if(a.properties){let m=a.required??[],g=Object.entries(a.properties).map(([A,O])=>ot(A,O,m.includes(A),s,r+1));return{...p,kind:"object",fields:g.sort((A,O)=>Number(O.isRequired)-Number(A.isRequired))}}return d==="array"&&a.items?{...p,kind:"array",item:{...ot("",a.items,!0,s,r+1),title:""}}:p}function wo(e,t,n,s){let r=t.map((a,i)=>{let l=ot(e.name,a,!0,n,s+1),$=(l.fields??[]).filter(({kind:d,choices:p})=>d==="choice"&&p?.length===1),u=l.title!==e.name&&l.title?l.title:$[0]?.choices?.[0]??yo(l);return{...l,title:String(u||i+1)}});return{...e,kind:"union",options:r}}var yo=({kind:e,choices:t})=>t?t.map(String).join(", "):e;function ko(e){let t=($,u,d)=>$!==void 0&&u!==void 0?`${$} to ${u}${d}`:$!==void 0?`at least ${$}${d}`:u!==void 0?`at most ${u}${d}`:"",{minimum:n,maximum:s,exclusiveMinimum:r,exclusiveMaximum:a,multipleOf:i,pattern:l}=e;return[t(n,s,""),r!==void 0&&`more than ${r}`,a!==void 0&&`less than ${a}`,i!==void 0&&`a multiple of ${i}`,t(e.minLength,e.maxLength," characters"),t(e.minItems,e.maxItems," entries"),l!==void 0&&`as ${l}`].filter(Boolean)}function Dt(e,t,n=0){if(typeof e!="object"||e===null)return{};if(!e.$ref)return e;let r=(e.$ref==="#"?[]:e.$ref.startsWith("#/")?e.$ref.slice(2).split("/"):null)?.reduce((a,i)=>a?.[i.replaceAll("~1","/").replaceAll("~0","~")],t);return!r||n>6?null:{...Dt(r,t,n+1),...e,$ref:void 0}}function xo(e,t){if(!e)return{schema:null,isNullable:!1};let n=e.anyOf?"anyOf":"oneOf",s=Array.isArray(e.type)?e.type.map(u=>({type:u})):e[n];if(!s)return{schema:e,isNullable:!1};let r=s.filter(({type:u})=>u!=="null"),a=r.length<s.length,{[n]:i,type:l,...$}=e;return r.length===1?{schema:{...Dt(r[0],t),...$},isNullable:a}:{schema:{...$,anyOf:r},isNullable:a}}function Ce(e,t){if(t===void 0)return!0;if(t===null)return e.isNullable||e.kind==="json";switch(e.kind){case"string":return typeof t=="string";case"integer":return Number.isSafeInteger(t);case"number":return typeof t=="number";case"boolean":return typeof t=="boolean";case"choice":return!!e.choices?.some(n=>So(n,t));case"array":return Array.isArray(t);case"union":return!!e.options?.some(n=>Pt(n,t));case"object":return typeof t=="object"&&!Array.isArray(t);default:return!0}}var So=(e,t)=>JSON.stringify(e)===JSON.stringify(t);function Pt(e,t){return t===void 0||!Ce(e,t)?!1:e.kind!=="object"||t===null?!0:(e.fields??[]).every(n=>t[n.name]===void 0?!n.isRequired:Ce(n,t[n.name]))}var ls=(e,t)=>Object.keys(t??{}).filter(n=>!e.fields?.some(s=>s.name===n));function at(e){if(e.initial!==void 0)return e.initial;switch(e.kind){case"choice":return e.choices?.[0];case"string":return"";case"integer":case"number":return 0;case"boolean":return!1;case"array":return[];case"object":return it(e);case"union":return e.options?.[0]?at(e.options[0]):null;default:return null}}function it(e){let t=(e.fields??[]).map(n=>n.initial!==void 0?[n.name,n.initial]:n.isRequired&&n.kind==="choice"&&n.choices?.length===1?[n.name,n.choices[0]]:n.isRequired&&n.kind==="object"?[n.name,it(n)]:[n.name,void 0]);return Object.fromEntries(t.filter(([,n])=>n!==void 0))}function Ne(e){return typeof e=="number"?Number.isInteger(e)&&!Number.isSafeInteger(e):typeof e=="object"&&e!==null&&Object.values(e).some(Ne)}function Ie(e){try{let t=JSON.parse(e);return typeof t=="object"&&!Array.isArray(t)?t:null}catch{return null}}function cs(e,t,n){let{[t]:s,...r}=e;return n===void 0?r:{...e,[t]:n}}function us(e,t){let n=`/parameters${t}`;return e.filter(s=>s.path===n).map(({message:s})=>s)}function lt({job:e,origin:t,onLaunched:n=()=>{}}){let s=c.jobs,r=v({typed:t?.parameters,raw:null}),a=v(t?Ao(t,e):{}),i=v({message:"",issues:[]}),l=M({body:"",key:""}),$=d=>r.value=d;return o`<form class="stack launch" onSubmit=${async d=>{d.preventDefault();let p=ct(r.value,e);if(i.value={message:p?"":s.badJson,issues:[]},!!p)try{let f={...jo(a.value,t),parameters:p},h=JSON.stringify(f);l.current.body!==h&&(l.current={body:h,key:se()});let{data:m}=await C(`/jobs/${e.slug}/run`,f,{"Idempotency-Key":l.current.key});J(s.launched(m.id)),n(),B({view:"run",id:m.id})}catch(f){let{message:h,issues:m=[]}=V(f);i.value={message:f instanceof SyntaxError?s.badContext:h,issues:m},Ft(d.target)}}} noValidate>
		${t&&o`<p class="quiet">${s.rerunOf} <${I} id=${t.id} /></p>`}
		<${Bt} job=${e} draft=${r.value} onChange=${$}
			issues=${i.value.issues} isWrong=${i.value.message!==""} />
		<${Mo} options=${a} issues=${i.value.issues} />
		${i.value.message&&o`<p class="problem" role="alert">${i.value.message}</p>`}
		<div class="actions"><button class="main">${s.launch}</button></div>
	</form>`}var Ft=e=>requestAnimationFrame(()=>e.querySelector("[aria-invalid]")?.focus());function ct({typed:e,raw:t},n){return t!==null?Ie(t):e??{...it(Lt(n?.parametersSchema)),...Oo(n?.defaultParameters)}}function Bt({job:e,draft:t,onChange:n,issues:s,isWrong:r}){let a=c.jobs,i=Lt(e.parametersSchema),l=i.kind==="union"||i.kind==="object"&&i.fields?.length,$=t.raw!==null||!l,u=ct(t,e),d=t.raw??JSON.stringify(u,null,2),p=u===null,f=({target:g})=>{g.checked?n({...t,raw:d}):p||n({typed:u,raw:null})},h=({target:g})=>n({...t,raw:g.value}),m=g=>n({typed:g,raw:null});return o`
		${l&&o`
			<label class="check"><input type="checkbox" checked=${$} disabled=${p} onChange=${f} />${a.raw}</label>
		`}
		${$?o`<textarea rows="10" aria-label=${c.run.parameters} aria-invalid=${r||p?"true":void 0}
				value=${d} onInput=${h}></textarea>`:o`<${i.kind==="union"?hs:ps} field=${i} value=${u} path="" common=${{id:"field"}}
				issues=${s} onChange=${m} />`}
		${Ne(u)&&o`<p class="note" role="status">${a.rounded}</p>`}
	`}function Oo(e){return Object.fromEntries(Object.entries(e??{}).filter(([,t])=>t!==null))}var qt=["delayMs","timeoutMs","maxAttempts","priority","startDeadlineMs"];function Ao(e,t){let{retryOf:n,rerunOf:s,...r}=e.context??{},a=(i,l)=>i==null||i===l?"":String(i);return{delayMs:e.scheduledAt>e.createdAt?String(Date.parse(e.scheduledAt)-Date.parse(e.createdAt)):"",timeoutMs:a(e.timeoutMs,t.timeoutMs),maxAttempts:a(e.maxAttempts,t.retryPolicy?.maxAttempts??1),priority:a(e.priority,t.priority??0),context:Object.keys(r).length>0?JSON.stringify(r,null,2):""}}function jo(e,t){let n=qt.filter(r=>(e[r]??"")!=="").map(r=>[r,Number(e[r])]),s=e.context?Ie(e.context):{};if(s===null)throw new SyntaxError("the context is no JSON object");return t&&(s.rerunOf=t.id),{...Object.fromEntries(n),...Object.keys(s).length>0&&{context:s}}}function Mo({options:e,issues:t}){let n=c.jobs.options,s=i=>t.filter(({path:l})=>l===`/${i}`).map(({message:l})=>l),r=i=>({target:l})=>e.value={...e.value,[i]:l.value},a=Object.values(e.value).some(Boolean);return o`<details open=${a||[...qt,"context"].some(i=>s(i).length>0)}>
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
	</details>`}function ps({field:e,value:t,path:n,issues:s,onChange:r}){let a=i=>l=>r(cs(t??{},i,l));return o`
		${(e.fields??[]).map(i=>o`<${Ht} key=${i.name} field=${i} value=${t?.[i.name]}
			path=${`${n}/${$s(i.name)}`} issues=${s} onChange=${a(i.name)} />`)}
		${ls(e,t).map(i=>o`<${Ht} key=${i} field=${To(i)} value=${t[i]}
			path=${`${n}/${$s(i)}`} issues=${s} onChange=${a(i)} />`)}
	`}var $s=e=>e.replaceAll("~","~0").replaceAll("/","~1"),To=e=>({name:e,title:e,hint:c.jobs.unlisted,kind:"json",isRequired:!1,isNullable:!0});function Ht({field:e,value:t,path:n,issues:s,onChange:r}){let a=us(s,n),i=`field${n}`,l=[e.hint&&`${i}-hint`,a.length>0&&`${i}-wrong`].filter(Boolean).join(" ")||void 0,$={id:i,"aria-describedby":l,"aria-invalid":a.length>0?"true":void 0,"aria-required":e.isRequired},u=Ce(e,t)?e.kind:"json",d=["object","array","union"].includes(u),p=o`<${fs[u]}
		field=${e} value=${t} path=${n} issues=${s} common=${$} onChange=${r} />`,f=o`<bdi>${e.title}</bdi> ${e.isRequired&&o`<small>${c.jobs.required}</small>`}`;return o`<div class="field">
		${d?o`<fieldset aria-describedby=${l}><legend>${f}</legend>${p}</fieldset>`:o`<label for=${i}>${f}</label>${p}`}
		${e.hint&&o`<small id=${`${i}-hint`}>${e.hint}</small>`}
		${a.length>0&&o`<p class="problem" id=${`${i}-wrong`}>${a.join("; ")}</p>`}
	</div>`}var fs={string:_o,integer:ds,number:ds,boolean:Ro,choice:ms,object:ps,array:Co,union:hs,json:No},Eo={date:"date",email:"email",uri:"url"};function _o({field:e,value:t,common:n,onChange:s}){let r=({target:i})=>s(i.value===""&&!e.isRequired?void 0:i.value);if(e.isSecret)return o`<input ...${n} type="password" autocomplete="new-password" value=${t??""} onInput=${r} />`;if(e.isLong||/[\r\n]/.test(t??""))return o`<textarea ...${n} class="growing" rows="1" value=${t??""} onInput=${r}></textarea>`;if(e.format==="date-time")return o`<${ut} value=${t} common=${n} set=${r} onChange=${s} />`;let a=e.format!=="date"||/^(\d{4}-\d\d-\d\d)?$/.test(t??"");return o`<input
		...${n} type=${a?Eo[e.format??""]??"text":"text"} value=${t??""} onInput=${r} />`}function ut({value:e,common:t,set:n,onChange:s}){let r=({target:a})=>a.value&&s(new Date(a.value).toISOString());return o`<div class="group">
		<input ...${t} value=${e??""} placeholder="2026-12-24T18:00:00Z" onInput=${n} />
		<input type="datetime-local" step="1" aria-label=${c.jobs.pick} title=${c.jobs.pick} onChange=${r} />
	</div>`}function ds({field:e,value:t,common:n,onChange:s}){let r=({target:a})=>s(a.value===""?void 0:a.valueAsNumber);return o`<input
		...${n} type="number" step=${e.kind==="integer"?1:"any"} value=${t??""} onInput=${r} />`}function Ro(e){let{field:t,value:n,common:s,onChange:r}=e;return n==null?o`<${ms} ...${e} field=${{...t,choices:[!0,!1]}} />`:o`<input ...${s} type="checkbox" checked=${n} onChange=${({target:i})=>r(i.checked)} />`}function ms({field:{choices:e=[],isRequired:t},value:n,common:s,onChange:r}){let a=e.findIndex(l=>JSON.stringify(l)===JSON.stringify(n));return o`<select ...${s} value=${a} onChange=${({target:l})=>r(l.value==="-1"?void 0:e[Number(l.value)])}>
		${(a<0||!t)&&o`<option value="-1">–</option>`}
		${e.map((l,$)=>o`<option key=${$} value=${$}>${typeof l=="string"?l:JSON.stringify(l)}</option>`)}
	</select>`}function Co({field:e,value:t,path:n,issues:s,onChange:r}){let a=e.item,i=t??[],l=($,u)=>r(i.map((d,p)=>p===$?u:d));return o`${i.map(($,u)=>o`<div class="array-item" key=${u}>
			<${Ht}
				field=${{...a,title:`${u+1}`}} value=${$} path=${`${n}/${u}`}
				issues=${s} onChange=${d=>l(u,d??null)} />
			<button type="button" class="plain" onClick=${()=>r(i.filter((d,p)=>p!==u))}>
				${c.jobs.remove}
			</button>
		</div>`)}
		<button type="button" onClick=${()=>r([...i,at(a)])}>${c.jobs.item}</button>`}function hs({field:e,value:t,path:n,issues:s,common:r,onChange:a}){let{options:i=[]}=e,l=i.findIndex(f=>Pt(f,t)),$=v(l),u=l<0?$.value:l,d=i[u],p=({target:f})=>{$.value=Number(f.value),a($.value<0?void 0:at(i[$.value]))};return o`
		<select aria-label=${`${e.title} ${c.jobs.kind}`.trim()} value=${u} onChange=${p}>
			${(u<0||!e.isRequired)&&o`<option value="-1">–</option>`}
			${i.map(({title:f},h)=>o`<option key=${h} value=${h}>${f}</option>`)}
		</select>
		${d&&o`<${fs[Ce(d,t)?d.kind:"json"]} key=${u}
			field=${d} value=${t} path=${n} issues=${s} common=${r} onChange=${a} />`}
	`}function No({value:e,common:t,onChange:n}){return o`<textarea ...${t} rows="3" onChange=${({target:r})=>{try{n(JSON.parse(r.value))}catch{n(r.value===""?void 0:r.value)}}}
		defaultValue=${e===void 0?"":JSON.stringify(e,null,2)}></textarea>`}var Io=50,vs={runs:bs,launch:Po,definition:Ho,versions:Wo,revise:qo};function Lo(){let{id:e}=T.value,t=b(async r=>(await w(`/jobs/${e}`,[["limit",Io],...R.value],r)).data,[e]),{job:n,runs:s=[]}=t.answer??{};return P("jobs",t.again,r=>n!==void 0&&r.has(n.slug)),P("runs",t.again,r=>[...r.values()].some(({slug:a,createdAt:i,id:l})=>a===n?.slug&&i>=(s[0]?.createdAt??"")&&s.every($=>$.id!==l))),o`<${x} asked=${t} lines=${8}>
		${r=>o`<${Do} job=${r.job} runs=${r.runs} again=${t.again} />`}
	<//>`}function Do({job:e,runs:t,again:n}){let{tab:s}=T.value,r=vs[s]??bs;return o`<div class="screen-head">
			<div>
				<h1>${e.name}</h1>
				<p class="quiet">
					<span class="id">${e.slug}</span> · ${c.jobs.columns.version.toLowerCase()} ${e.version}
				</p>
			</div>
			${j.value&&o`<div class="actions">
				<${We} paused=${e.paused} name=${e.slug} path=${`/jobs/${e.slug}`} text=${c.jobs.pauseText} again=${n} />
				<button class="main" onClick=${()=>B({view:"job",id:e.slug,tab:"launch"})}>
					${c.jobs.launch}
				</button>
			</div>`}
		</div>
		${e.metadata?.description&&o`<p>${e.metadata.description}</p>`}
		${e.paused&&o`
			<p class="note"><${S} status="paused" /> <${y} at=${e.paused.at} /> · ${e.paused.by} ${e.paused.reason&&`\xB7 ${e.paused.reason}`}</p>
		`}
		<${Ko} job=${e} />
		<${Ue} tabs=${c.jobs.tabs} current=${vs[s]?s:"runs"} />
		<${r} job=${e} runs=${t} again=${n} />`}function bs({job:e,runs:t}){let n=Z(t,"runs",({id:s})=>s);return o`<${Cn} job=${e.slug} />
		<section class="card stack">
			<h2>${c.jobs.durations}</h2>
			<${Bo} runs=${n} />
		</section>
		<div class="screen-head">
			<h2>${c.jobs.runs}</h2>
			<div class="actions"><${k} to=${{view:"runs",words:[["job",e.slug]]}}>${c.runs.title}<//></div>
		</div>
		<${le} runs=${n} isOfOneJob />`}function Po({job:e}){return j.value?o`<section class="card"><${lt} job=${e} key=${e.slug} /></section>`:o`<${we} />`}function qo({job:e,again:t}){return o`<${Go} job=${e} again=${t} key=${e.version} />`}function Ho({job:e}){let t=rt(e);return o`<dl class="facts card">
			<div><dt>${c.jobs.entryPoint}</dt><dd><code>${e.entryPoint}</code></dd></div>
			<div><dt>${c.jobs.limits}</dt><dd>${t.join(", ")||c.none}</dd></div>
			<div><dt>${c.run.facts.timeout}</dt><dd>${N(e.timeoutMs)}</dd></div>
		</dl>
		<div class="cards">
			<section class="card">
				<h2>${c.jobs.schema}</h2>
				<${K} value=${e.parametersSchema} label=${c.jobs.schema} />
			</section>
			<section class="card">
				<h2>${c.jobs.definition}</h2>
				<${K} value=${e} label=${c.jobs.definition} />
			</section>
		</div>`}var Jt=1e3,Ut=100,Fo=2;function Bo({runs:e}){let t=En(e);if(t.length<Fo)return o`<p class="quiet">${c.jobs.needMore}</p>`;let[n,s,r]=[.5,.95,.99].map(a=>N(_n(t,a)));return o`<p>${c.jobs.percentiles(n,s,r)}</p>
		<${Jo} ...${Rn(e)} />`}function Jo({points:e,first:t,last:n,longest:s}){return o`<figure class="plot" aria-hidden="true">
		<div class="plot-scale"><span>${N(s)}</span><span>${N(s/2)}</span><span>0</span></div>
		<svg viewBox="0 0 ${Jt} ${Ut}" preserveAspectRatio="none">
			${[0,.5,1].map(r=>o`
				<path class="rule" key=${r} d=${`M0 ${r*Ut}H${Jt}`} vector-effect="non-scaling-stroke" />
			`)}
			${e.map(({run:r,x:a,y:i})=>o`<path key=${r.id} class="point status-${r.status}"
				d=${`M${a*Jt} ${(1-i)*Ut}h0.01`}>
				<title>${N(r.durationMs)} · ${c.status(r.status)} · ${ee(r.completedAt??"")}</title>
			</path>`)}
		</svg>
		<figcaption><span>${ee(t)}</span><span>${ee(n)}</span></figcaption>
	</figure>`}var Uo=1e3;function Wo({job:e}){let t=[["subject",e.id]],n=b(async s=>as((await de("/events",t,s,Uo)).filter(Te)),[e.id],{newer:[e.version,e.paused?.at]});return o`<${x} asked=${n}>
		${s=>o`<ol class="events">
			${s.map(r=>o`<${Vo} key=${r.position} change=${r} />`)}
		</ol>`}
	<//>`}function Vo({change:e}){let{kind:t,version:n,at:s,by:r,reason:a,changes:i}=e;return o`<li class="card">
		<header>
			<h2>${t} ${n&&c.jobs.versionOf(n)}</h2>
			<span class="quiet"><${y} at=${s} full /> · ${r}</span>
		</header>
		${a&&o`<p>${a}</p>`}
		${i.length>0&&o`<${Je} found=${i} />`}
	</li>`}function Go({job:e,again:t}){let n=rs(e),s=v(JSON.stringify(n,null,2)),r=v({message:"",issues:[]}),a=c.jobs;if(!j.value)return o`<${we} />`;let i=async u=>{u.preventDefault();try{let d=os(n,JSON.parse(s.value));if(Object.keys(d).length===0){r.value={message:a.unchanged,issues:[]};return}let{data:p}=await ae("PATCH",`/jobs/${e.slug}`,{...d,version:e.version+1});J(a.revised(p.version)),t(),B({view:"job",id:e.slug,tab:"versions"})}catch(d){let{message:p,issues:f=[]}=V(d);r.value={message:d instanceof SyntaxError?a.badJson:p,issues:f}}},{message:l,issues:$}=r.value;return o`<form class="card stack" onSubmit=${i}>
		<p class="quiet">${a.revisionHint}</p>
		<textarea rows="22" aria-label=${a.definition}
			aria-invalid=${l?"true":void 0} aria-describedby=${l?"revision-problem":void 0}
			value=${s.value} onInput=${q(s)}></textarea>
		${Ne(Ie(s.value))&&o`<p class="note" role="status">${a.rounded}</p>`}
		${l&&o`<div id="revision-problem" class="problem" role="alert">
			<p>${l}</p>
			${$.length>1&&o`<ul>${$.map(({path:u,message:d})=>o`<li key=${u+d}><code>${u}</code> ${d}</li>`)}</ul>`}
		</div>`}
		<div class="actions"><button class="main">${a.revise}</button></div>
	</form>`}function Ko({job:e}){let{slug:t}=e,s=b(r=>w("/job-runs/counts",[["job",t],...R.value],r),[t]);return P("runs",s.again,r=>[...r.values()].some(a=>a.slug===t)),o`<${x} asked=${s} lines=${1}>${({data:r})=>o`<${Yo} counts=${r} job=${e} />`}<//>`}function Yo({counts:e,job:t}){let{slug:n,maxConcurrentRuns:s}=t,r=s&&c.jobs.used(e.running,s),a=i=>[["job",n],["status",i]];return o`<ul class="standing">
		${Ge.map(i=>o`<li key=${i}>
			<${k} to=${{view:"runs",words:a(i)}}><${S} status=${i} /><//> ${Se(e[i])}
		</li>`)}
		${s&&o`<li>
			<meter min="0" max=${s} value=${e.running} aria-label=${r}></meter> <small>${r}</small>
		</li>`}
	</ul>`}function zo(){let e=b(Zo,[]);return P("jobs",e.again),P("deletedJobs",e.again),P("failures",e.again),o`<div class="screen-head"><h1>${c.jobs.title}</h1></div>
		<${x} asked=${e}>${t=>o`<${Xo} ...${t} />`}<//>`}async function Zo(e){let{from:t,to:n,bucketMs:s}=jn("24h",He.value),r=[["from",t],["to",n],["bucketMs",s],["groupBy","job"],...R.value],[a,i,l]=await Promise.all([w("/jobs",R.value,e),de("/failures",[["status","open"],...R.value],e),w("/job-runs/statistics",r,e)]),$=new Map;for(let{job:d}of i)$.set(d,($.get(d)??0)+1);let u=new Map(Nn(l.data.buckets,l.meta).map(d=>[d.slug,d]));return{jobs:a.data,failing:$,trends:u}}function Xo({jobs:e,failing:t,trends:n}){let s=({slug:i})=>n.get(i.toLowerCase()),r=c.jobs.columns;if(e.length===0)return o`<${L} title=${c.jobs.empty} hint=${c.jobs.emptyHint} command=${c.jobs.emptyCommand} />`;let a=[{name:"first",title:r.job,cell:i=>o`<${Y} slug=${i.slug}><strong>${i.name}</strong><//>${" "}
					<small class="id">${i.slug}</small>`},{name:"state",title:r.health,cell:i=>o`<${ea} job=${i} failing=${t.get(i.slug)??0} />`},{name:"day",title:r.day,cell:i=>o`<${Qo} trend=${s(i)} />`},{name:"version",title:r.version,cell:({version:i})=>i},{name:"type",title:r.type,cell:({type:i})=>o`<span class="tag">${i}</span>`},{name:"limits",title:r.limits,cell:i=>o`<small>${rt(i).join(", ")||"\u2013"}</small>`},{name:"updated",title:r.updated,cell:({updatedAt:i})=>o`<${y} at=${i} />`}];return o`<${z} label=${c.jobs.title} rows=${e} keyOf=${({slug:i})=>i} columns=${a} />`}function Qo({trend:e}){if(!e||e.ended===0)return o`<span class="quiet">–</span>`;let{buckets:t,ended:n,failed:s,worse:r}=e,a=t.findLast(i=>i.ended>0);return o`<${ze} buckets=${t} />${" "}
		<small>${c.trends.day(n,s)} · ${c.trends.lastSince} <${y} at=${a?.at??null} /></small>
		${r&&o`${" "}<strong class="worse">${c.trends.worse[r.what](r.factor,ee(r.since))}</strong>`}`}function ea({job:e,failing:t}){return e.paused?o`<${S} status="paused" />`:t===0?o`<${S} status="ready" label=${c.schedules.active} />`:o`<${k} to=${{view:"failures",words:[["job",e.slug]]}}>
		<${S} status="failed" label=${c.jobs.failing(t)}
	/><//>`}var gs=(e,t)=>e===""&&t.after===void 0;function ws({next:e,last:t},n){return e!==null&&n-t>500?n-30:t}function ys(e,t,n,s){let r=t.next===null?Math.max(t.last,s):t.last,a=n>Math.max(e.last,e.next??0)?[]:e.events;return{next:t.next,last:r,events:[...a,...t.events].slice(-500)}}var na=50,sa=1e3;function ra(){let{words:e}=T.value,t=Object.fromEntries(e),n=v(!0),s=gs(_.value,t),r=s&&n.value,a=t.after??(s?Math.max(At.peek()-30,0):0),i=b(l=>ks({...t,after:a},l),[JSON.stringify(e),At.value>0]);return o`<div class="screen-head">
			<h1>${c.log.title}</h1>
			<div class="actions">
				<label class="check">
					<input type="checkbox" checked=${r} disabled=${!s}
						onChange=${({target:l})=>n.value=l.checked} />${c.log.live}</label>
			</div>
		</div>
		<${ca} given=${t} key=${JSON.stringify(e)} />
		<${x} asked=${i}>
			${l=>o`<${aa} page=${l} given=${t} asked=${i} isFollowing=${r} />`}
		<//>
		<section class="card stack">
			<${oa} />
			<p class="quiet">${c.log.verify}</p>
			<${hn} text=${c.log.verifyCommand} />
		</section>`}function oa(){let{answer:e}=b(t=>w("/events/seal",[],t),[],{everyMs:5e3});return e&&o`<p>${c.log.sealed(e.data)}</p>`}async function ks(e,t){let n=cn(_.value),s=_.value&&n!==null?[["until",new Date(n).toISOString()]]:[],{data:r,meta:a}=await w("/events",[...Object.entries(e),["limit",na],...s],t),l=_.value!==""&&n===null?r.filter(({position:u})=>u<=Number(_.value)):r,$=l.length<r.length;return{events:l,next:$?null:a.next,last:r.at(-1)?.position??Number(e.after)}}function aa({page:e,given:t,asked:n,isFollowing:s}){let r=async u=>{let d=xe.value.position,p=await ks({...t,after:u});n.set(e,ys(e,p,u,d))},{position:a}=xe.value,i=M(0),l=v(0);if(F(()=>{if(!s||a<=e.last||i.current===null)return;let d=setTimeout(()=>{i.current=null,r(ws(e,a)).catch(()=>{}).finally(()=>{i.current=Date.now(),l.value+=1})},i.current+sa-Date.now());return()=>clearTimeout(d)},[s,a,e,l.value]),e.events.length===0)return o`<${L} title=${c.log.empty} hint=${c.log.emptyHint} />`;let $=s?[...e.events].reverse():e.events;return o`<ol class="log-events">
			${$.map(u=>o`<${ia} key=${u.position} event=${u} />`)}
		</ol>
		${e.next!==null&&!s&&o`
			<${fn} text=${c.log.newer} load=${()=>r(e.next??e.last)} />
		`}`}function ia({event:e}){let{position:t,type:n,subject:s,occurredAt:r,actor:a,correlationId:i}=e,l=v(!1);return o`<li>
		<details onToggle=${({target:u})=>l.value=u.open}>
			<summary>
				<span class="position">${t}</span> <code class="event-type">${n}</code>
				<small class="id">${s.id}</small> <small>${a} · <${y} at=${r} /></small>
			</summary>
			${l.value&&o`<div class="stack event-detail">
				<p class="group">
					${s.type==="job_run"&&o`<${k} to=${{view:"run",id:s.id}}>${c.views.run}<//>`}
					<${k} to=${{view:"log",words:[["subject",s.id],["after",0]]}}>${c.log.ofSubject}<//>
					${i&&o`<${k}
						to=${{view:"log",words:[["correlation",i],["after",0]]}}>
						${c.run.chain}
					<//>`}
					<${k} to=${{view:"overview",asOf:String(t)}}>${c.log.then}<//>
				</p>
				<${K} value=${e} label=${c.log.show} />
			</div>`}
		</details>
	</li>`}var Wt=["type","subject","actor","after"],la={type:"job_run.started",subject:"",actor:"worker:\u2026",after:"0"};function ca({given:e}){return o`<form class="group log-filter" role="search" onSubmit=${n=>{n.preventDefault();let s=new FormData(n.target),a=Wt.map(i=>[i,String(s.get(i)).trim()]).filter(([,i])=>i!=="");U({words:e.correlation?[...a,["correlation",e.correlation]]:a})}}>
		${Wt.map(n=>o`<label key=${n}>
			${c.log[n]}
			<input name=${n} defaultValue=${e[n]??""} placeholder=${la[n]}
				data-filter=${n===Wt[0]} />
		</label>`)}
		<button>${c.past.go}</button>
		${e.correlation&&o`<span class="tag">correlation ${e.correlation}</span>`}
	</form>`}var ua=e=>JSON.stringify({parameters:e.parameters},null,2),$t=e=>`'${e.replaceAll("'","'\\''")}'`;function Gt(e){let{origin:t,pathname:n}=new URL(".",e);return t+n.slice(0,-1)}function xs(e,t,n){return[`curl -X POST ${$t(`${Gt(t)}/jobs/${e.slug}/run`)}`,"-H 'Content-Type: application/json'",...n?['-H "Authorization: Bearer $APPHUB_TOKEN"']:[],`-d ${$t(ua(e))}`].join(` \\
  `)}function Ss(e,t){let n=`apphub-jobs run ${e.slug} --url ${$t(Gt(t))} --params -`;return`printf %s ${$t(JSON.stringify(e.parameters))} |
  ${n}`}function Os(e,t){return["from apphub_jobs import Client","",`with Client("${Gt(t)}") as client:`,`    run = client.launch("${e.slug}", ${Vt(e.parameters)})`,"    print(run.result())"].join(`
`)}function Vt(e){return e===null?"None":e===!0?"True":e===!1?"False":Array.isArray(e)?`[${e.map(Vt).join(", ")}]`:typeof e=="object"&&e?`{${Object.entries(e).map(([t,n])=>`${JSON.stringify(t)}: ${Vt(n)}`).join(", ")}}`:JSON.stringify(e)}function As(e){let t=new Map,n=new Map,s=[];for(let{eventId:r,type:a,subject:i,occurredAt:l,causationId:$,data:u}of e){let d=$a(a),p=t.get(i.id);if(p)p.last=d;else{let f=n.get($),h=f?.type??"";p={...i,app:u?.repository_id,at:l,last:d,cause:h,children:[]},t.set(i.id,p),(f?.subject.children??s).push(p)}n.set(r,{subject:p,type:d})}return s}var $a=e=>e.slice(e.lastIndexOf(".")+1).replaceAll("_"," ");var da=/(^<|[\\/](site-packages|dist-packages|python3[^\\/]*|apphub_jobs)[\\/])/,pa=/^ {2}File "(?<file>[^"]+)", line (?<line>\d+), in (?<name>.+)$/;function js(e){let t=e.split(`
`);return t.flatMap((s,r)=>{let a=pa.exec(s)?.groups;if(!a||da.test(a.file))return[];let i=t[r+1]??"",l=i.startsWith("    ")?i.trim():"";return[{file:a.file,line:Number(a.line),name:a.name,code:l}]}).reverse()}var Ms=e=>e.split(/[\\/]/).slice(-2).join("/");var dt=["failed","expired"],fa=50,ma=5e3;function Ts({run:e,related:t,worker:n}){let s=e.context?.stack;return o`<section class="card stack failure" aria-label=${c.run.failed.title}>
		<h2>${c.run.failed.title} <code class="quiet">${e.failureReason}</code></h2>
		${e.errorMessage&&o`<p class="error-message"><code>${e.errorMessage}</code></p>`}
		<div class="cards">
			${typeof s=="string"&&o`<${ha} stack=${s} />`}
			<${wa} run=${e} related=${t} worker=${n} />
		</div>
		<${va} run=${e} />
		<div>
			<h3>${c.run.parameters}</h3>
			<${K} value=${e.parameters} label=${c.run.parameters} />
		</div>
	</section>`}function ha({stack:e}){let t=c.run.failed,n=js(e);return o`<div class="stack">
		${n.length>0&&o`<h3>${t.own}</h3>
			<ol class="frames">
				${n.map(({file:s,line:r,name:a,code:i},l)=>o`<li key=${l}>
					<span title=${s}>${Ms(s)}:${r}</span> <span class="quiet">${t.inside(a)}</span>
					${i&&o`<pre><code>${i}</code></pre>`}
				</li>`)}
			</ol>
		`}
		<details open=${n.length===0}>
			<summary>${t.traceback}</summary>
			<pre class="json" tabindex="0"><code>${e}</code></pre>
		</details>
	</div>`}function va({run:e}){let t=c.run.failed,n=b(s=>ga(e,s),[e.id,e.attempt]);return o`<div>
		<h3>${t.lastLines} · <${k} to=${{view:"run",id:e.id,tab:"log"}}>${t.wholeLog}<//></h3>
		<${x} asked=${n} lines=${3}>
			${s=>s?o`<${ba} lines=${s} />`:o`<p class="quiet">${c.run.log.empty}</p>`}
		<//>
	</div>`}function ba({lines:e}){let t=M(null);return F(()=>{t.current?.scrollTo(0,t.current.scrollHeight)},[e]),o`<pre class="json" tabindex="0" ref=${t}><code><${Zn} text=${e} /></code></pre>`}async function ga({id:e,attempt:t},n){if(t===0)return"";let s=[],r=[["attempt",t],["last",fa]];for await(let{piece:a}of be(`/job-runs/${e}/logs`,r,n))s.push(a);return s.join("").trimEnd()}var Kt=({worker:e})=>o`<${k} to=${{view:"runs",words:[["worker",e]]}}><code>${e}</code><//>`;function wa({run:e,related:t,worker:n}){let s=c.run.failed;return o`<div class="stack">
		${n&&o`<p>${c.run.worker}: <${Kt} worker=${n} /></p>`}
		${_.value?o`<p class="note">${c.past.notHere}</p>`:o`<${ya} related=${t} />`}
		<p>
			<${k} to=${{view:"runs",words:[["job",e.slug],["status","failed,expired"]]}}>${s.others(e.slug)}<//>
		</p>
	</div>`}function ya({related:e}){let t=c.run.failed;return o`<${x} asked=${e} lines=${2}>${({failureGroup:s,retries:r})=>o`
		${s&&o`<p>
			${t.group}: <${k} to=${{view:"failures",id:s.fingerprint}}>${s.title}<//>,${" "}
			<strong>${c.failures.times(s.count+s.recovered)}</strong>
			${s.recovered>0&&`, ${c.failures.recovered(s.recovered)}`}
		</p>`}
		<p>${r.length>0?t.retried:t.notRetried}</p>
		<${Yt} runs=${r} />
	`}<//>`}var Yt=({runs:e})=>e.length>0&&o`<ul class="needs">
		${e.map(({id:t,status:n,createdAt:s})=>o`<li key=${t}>
			<${I} id=${t} /> <${S} status=${n} /> <small><${y} at=${s} /></small>
		</li>`)}
	</ul>`,ka={failureGroup:null,retries:[],bulkOperation:null};function Es(e,t){let n=e.completedAt!==null,s=_.value===""&&(n||e.context?.retryOf!==void 0);return b(async r=>s?(await w(`/job-runs/${e.id}/related`,[],r)).data:ka,[e.id,s],{newer:[t],everyMs:n?ma:void 0})}var pt={"job_run.succeeded":"succeeded","job_run.attempt_failed":"failed","job_run.attempt_timed_out":"timed_out","job_run.attempt_lost":"lost","job_run.handed_back":"handed_back","job_run.canceled":"canceled","job_run.start_deadline_passed":"expired"},_s=["job_run.started",...Object.keys(pt)];function Rs(e,t){let n=[],s=null,r=(a,i)=>{s&&(n.push({...s,number:n.length,to:a,outcome:i,isOpen:!1}),s=null)};for(let{type:a,data:i,occurredAt:l}of e){let $=Date.parse(l);a==="job_run.requested"?s={kind:"wait",from:$}:a==="job_run.started"?(r($),s={kind:"run",from:$,attempt:i.attempt,worker:i.worker_id}):pt[a]&&(r($,pt[a]),i.retry_at?s={kind:"backoff",from:$}:a==="job_run.handed_back"&&(s={kind:"wait",from:$}))}return s&&n.push({...s,number:n.length,to:Math.max(t,s.from),isOpen:!0}),n}var xa=.6,Sa=.02;function Cs(e){let t=({from:u,to:d})=>Math.max(d-u,1),n=e.filter(({kind:u})=>u==="run").reduce((u,d)=>u+t(d),0),s=n>0?n*xa:1/0,r=e.map(u=>{let d=u.kind!=="run"&&t(u)>s;return{...u,isCollapsed:d,drawn:d?s:t(u)}}),a=r.reduce((u,d)=>u+d.drawn,0),i=r.map(u=>Math.max(u.drawn/a,Sa)),l=i.reduce((u,d)=>u+d,0),$=0;return r.map(({drawn:u,...d},p)=>{let f=i[p]/l,h={...d,start:$,width:f};return $+=f,h})}function Ns(e){let t=[];for(let{type:n,data:s}of e){let r=Oa(n,s,t.at(-1));r&&r!==t.at(-1)&&t.push(r)}return t}function Oa(e,t,n){return e==="job_run.requested"||e==="job_run.handed_back"?"pending":e==="job_run.started"?"running":e==="job_run.succeeded"?"succeeded":e==="job_run.canceled"?"canceled":e==="job_run.start_deadline_passed"?"expired":pt[e]?t.retry_at?"pending":e==="job_run.attempt_timed_out"?"expired":"failed":n}function Qt({run:e,events:t,related:n}){let s=e.completedAt!==null,r=Rs(t,s?0:He.value),a=r.filter(({kind:l})=>l==="run"),i=dt.includes(e.status);return o`
		${i&&o`<${Ts} run=${e} related=${n} worker=${a.at(-1)?.worker} />`}
		<div class="cards">
			${!i&&o`<${Ia} run=${e} />`}
			<section class="card"><h2>${c.run.states}</h2><${Ea} path=${Ns(t)} /></section>
		</div>
		<section class="card stack">
			<h2>${c.run.timeline}</h2>
			<${ja} segments=${r} />
			<${Aa} attempts=${a} events=${t} known=${i?e.errorMessage:null} />
		</section>
	`}function Aa({attempts:e,events:t,known:n}){if(e.length===0)return o`<p class="quiet">${c.run.noAttempts}</p>`;let s=c.run,r=new Map;for(let{data:{error_message:i},occurredAt:l}of t)i&&i!==n&&r.set(Date.parse(l),i);let a=[{name:"first",title:s.attempts,cell:({attempt:i=0})=>s.attempt(i)},{name:"status",title:c.runs.columns.status,cell:({isOpen:i,outcome:l})=>o`<${S} status=${i?"running":l} />`},{name:"took",title:c.runs.columns.took,cell:({from:i,to:l})=>N(l-i)},{name:"started",title:s.facts.started,cell:({from:i})=>o`<${y} at=${new Date(i).toISOString()} />`},{name:"worker",title:s.worker,cell:({worker:i})=>o`<${Kt} worker=${i} />`},{name:"why",title:c.runs.columns.why,cell:({to:i,isOpen:l})=>l?"":r.get(i)}];return o`<${z} label=${s.attempts} rows=${e} keyOf=${({number:i})=>i} columns=${a} />`}var zt=1e3,Le=44;function ja({segments:e}){if(e.length===0)return null;let t=Cs(e),n=e[0].from,s=e[e.length-1].to;return o`<figure class="timeline">
		<svg viewBox="0 0 ${zt} ${Le}" preserveAspectRatio="none" role="img"
			aria-label=${t.map(Zt).join("; ")}>
			${t.map(r=>o`<${Ma} key=${r.number} place=${r} />`)}
		</svg>
		<ul class="timeline-legend" aria-hidden="true">
			${t.map(r=>o`
				<li key=${r.number}><span class="swatch ${Is(r)}"></span>${Zt(r)}</li>
			`)}
		</ul>
		<figcaption>
			<span>${jt(n)}</span><span>${jt(s)}</span>
		</figcaption>
	</figure>`}function Ma({place:e}){let{kind:t,start:n,width:s,isCollapsed:r}=e,a=t==="run"?Le-8:12,i=n*zt,l=Math.max(s*zt-1,2);return o`<g class="segment ${Is(e)}">
		<title>${Zt(e)}</title>
		<rect x=${i} y=${(Le-a)/2} width=${l} height=${a} />
		${r&&o`
			<path d=${`M${i+l/2-6} 4L${i+l/2-2} ${Le-4}M${i+l/2+2} 4L${i+l/2+6} ${Le-4}`} />
		`}
	</g>`}function Is({kind:e,outcome:t="",isOpen:n}){return e!=="run"?`segment-${e}`:`segment-run status-${n?"running":_e(t)}`}function Zt({kind:e,attempt:t=0,from:n,to:s,isCollapsed:r}){let a=N(s-n);if(e==="run")return`${c.run.attempt(t)} ${c.run.ran(a)}`;let i=c.run.waited(a);return r?c.run.collapsed(i):i}var ft={pending:[62,90],running:[212,90],succeeded:[390,24],failed:[390,68],expired:[390,112],canceled:[390,156]},ce=104,Xt=30,Ta=[["pending","running"],["running","pending"],["running","succeeded"],["running","failed"],["running","expired"],["running","canceled"],["pending","canceled"],["pending","expired"]];function Ea({path:e}){let t=new Map;for(let n=1;n<e.length;n+=1){let s=`${e[n-1]} ${e[n]}`;t.set(s,(t.get(s)??0)+1)}return o`<svg class="diagram" viewBox="0 0 452 184" role="img" aria-label=${e.join(", ")}>
		<defs>
			${["","taken-"].map(n=>o`<marker key=${n} id=${`${n}arrow`} class=${`${n}arrow`}
				viewBox="0 0 6 6" refX="6" refY="3" markerWidth="6" markerHeight="6" orient="auto">
				<path d="M0 0L6 3L0 6z" />
			</marker>`)}
		</defs>
		${Ta.map(([n,s])=>o`
			<${Ra} key=${`${n} ${s}`} from=${n} to=${s} times=${t.get(`${n} ${s}`)??0} />
		`)}
		${Object.keys(ft).map(n=>o`
			<${_a} key=${n} status=${n} wasThere=${e.includes(n)} isThere=${e.at(-1)===n} />
		`)}
	</svg>`}function _a({status:e,wasThere:t,isThere:n}){let[s,r]=ft[e];return o`<g class="place status-${e} ${n?"is-there":t?"was-there":""}" aria-hidden="true">
		<rect x=${s-ce/2} y=${r-Xt/2} width=${ce} height=${Xt} rx="15" />
		<text x=${s} y=${r+4.5}>${e}</text>
	</g>`}function Ra({from:e,to:t,times:n}){let s=Ca(e,t);return o`<g class="way ${n>0?"was-taken":""}" aria-hidden="true">
		<path d=${s} marker-end=${n>0?"url(#taken-arrow)":"url(#arrow)"} />
		${n>1&&o`<text x="137" y=${e==="pending"?76:114}>${n} ×</text>`}
	</g>`}function Ca(e,t){let[n,s]=ft[e],[r,a]=ft[t];return e==="pending"&&t==="running"?`M${n+ce/2} ${s-5}H${r-ce/2}`:t==="pending"?`M${n-ce/2} ${s+5}H${r+ce/2}`:e==="pending"?`M${n} ${s+Xt/2}Q${n} ${a+8} ${n+80} ${a+8}H${r-ce/2}`:`M${n+ce/2} ${s}C${n+90} ${s} ${r-90} ${a} ${r-ce/2} ${a}`}var Na=3e3;function Ia({run:e}){let t=e.status==="pending"?Na:void 0,n=b(s=>w(`/job-runs/${e.id}/explain`,R.value,s),[e.id],{newer:[Ae(e.updatedAt)],everyMs:t});return o`<section class="card explanation">
		<h2>${c.run.explain}</h2>
		<${x} asked=${n} lines=${2}>${({data:s})=>o`<${La} explanation=${s} />`}<//>
	</section>`}function La({explanation:e}){let{summary:t,reasons:n,nextChangeAt:s,unknown:r}=e;return o`
		<p class="summary">${t}</p>
		${n.length>0&&o`<ul class="stack">
			${n.map(a=>o`<${Da} key=${a.code} reason=${a} />`)}
		</ul>`}
		${s&&o`<p class="quiet">${c.run.until} <${y} at=${s} /></p>`}
		${r.map(a=>o`<p class="note" key=${a}>${a}</p>`)}
	`}function Da({reason:e}){let{code:t,message:n,binding:s,since:r}=e;return o`<li class=${s?"reason is-binding":"reason"}>
		${s&&o`<${G} name="next" label=${c.run.binding} />`}
		<span>${n} <code class="quiet">${t}</code> ${r&&o`<small><${y} at=${r} /></small>`}</span>
	</li>`}var Ls={story:Qt,log:zn,events:Za,causes:Qa,data:ni};function Pa(){let{id:e}=T.value,t=b(async n=>(await w(`/job-runs/${e}`,R.value,n)).data,[e]);return o`<${x} asked=${t} lines=${8}>${({run:n,job:s})=>o`<${qa} asked=${n} job=${s} />`}<//>`}function qa({asked:e,job:t}){let n=oe(()=>[e],[e]),[s]=Z(n,"runs",({id:d})=>d),r=Ae(s.updatedAt),a=Es(s,r),i=b(d=>Fa(s.id,d),[s.id],{newer:[r]}),{tab:l}=T.value,$=M(s.status);F(()=>{$.current!==s.status&&J(c.run.isNow(s.status)),$.current=s.status},[s.status]);let u=Ls[l]??Qt;return o`
		<div class="screen-head">
			<div>
				<p class="quiet"><${Y} slug=${s.slug}>${t.name}<//></p>
				<h1 class="run-title"><${S} status=${s.status} /> <span class="id">${s.id}</span></h1>
			</div>
			<${Va} run=${s} />
		</div>
		<${Ha} run=${s} />
		${s.errorMessage&&!dt.includes(s.status)&&o`<p class="error-message"><code>${s.errorMessage}</code></p>`}
		<${Ba} run=${s} related=${a.answer} />
		<${Ue} tabs=${c.run.tabs} current=${Ls[l]?l:"story"} />
		<${x} asked=${i}>${d=>o`<${u} run=${s} events=${d} related=${a} />`}<//>
	`}function Ha({run:e}){let t=e.metrics?.progress;return e.status!=="running"||typeof t!="number"?null:o`<progress max="1" value=${t} aria-label=${c.run.progress}></progress>`}async function Fa(e,t){let{data:n,meta:s}=await w(`/job-runs/${e}/events`,[["limit",mt]],t),r=[["subject",e],["type",_s.join()],["after",n.at(-1)?.position],["limit",mt]],a=s.nextCursor?(await w("/events",r,t)).data:[];return[...n,...a].filter(Te)}function Ba({run:e,related:t}){let n=c.run.facts,s=a=>o`<${y} at=${a} full />`,r=[[n.created,s(e.createdAt)],e.scheduledAt!==e.createdAt&&[n.due,s(e.scheduledAt)],e.startedAt&&[n.started,s(e.startedAt)],e.completedAt&&[n.completed,s(e.completedAt)],e.startedAt&&[c.runs.columns.took,o`<${Oe} from=${e.startedAt} to=${e.completedAt} ms=${e.durationMs} />`],[n.attempts,c.runs.attemptOf(e.attempt,e.maxAttempts)],[n.by,e.requestedBy],e.failureReason&&[n.failure,o`<code>${e.failureReason}</code>`],e.timeoutMs&&[n.timeout,N(e.timeoutMs)],e.priority!==0&&[n.priority,e.priority],e.context?.retryOf&&[n.retryOf,o`<${I} id=${e.context.retryOf} />`],e.context?.rerunOf&&[c.jobs.rerunOf,o`<${I} id=${e.context.rerunOf} />`],t?.bulkOperation&&[n.bulk,o`<${Ua} ...${t.bulkOperation} />`],t?.retries.length&&[n.repeated,o`<${Yt} runs=${t.retries.slice(0,Ja)} />`],e.idempotencyKey&&[n.key,o`<code>${e.idempotencyKey}</code>`]];return o`<dl class="facts card">
		${r.filter(Array.isArray).map(([a,i])=>o`<div key=${a}><dt>${a}</dt><dd>${i}</dd></div>`)}
	</dl>`}var Ja=3,Ua=({id:e,action:t,reason:n})=>o`<${k} to=${{view:"bulk",id:e}}>${c.bulk.title(t)}<//> · ${n}`,Wa=["pending","running"];function Va({run:e}){let t=v(!1),n=M(se()),s=Wa.includes(e.status);return o`<div class="actions">
		${_.value&&o`<span class="quiet">${c.past.noActions}</span>`}
		${j.value&&s&&o`
			<button class="danger" disabled=${e.cancelRequestedAt!==null} onClick=${()=>Ga(e)}>${c.run.cancel} …</button>
		`}
		${j.value&&!s&&o`<button onClick=${()=>Ka(e,n)}>${c.run.retry}</button>`}
		${j.value&&o`<button onClick=${()=>t.value=!0}>${c.run.rerun} …</button>`}
		<${za} run=${e} />
		${t.value&&o`<${Ya} run=${e} onClose=${()=>t.value=!1} />`}
	</div>`}function Ga(e){let t=c.run,n={title:`${t.cancel} ${e.slug}`,text:t.cancelText,action:t.cancel};return Be(n,`/job-runs/${e.id}/cancel`,t.canceled)}async function Ka(e,t){let n=await D(()=>C(`/job-runs/${e.id}/retry`,void 0,{"Idempotency-Key":t.current}));n&&(t.current=se(),B({view:"run",id:n.data.id}))}function Ya({run:e,onClose:t}){let n=b(s=>w(`/jobs/${e.slug}`,[["limit",1]],s),[]);return o`<${Fe} title=${c.run.rerun} onClose=${t} className="wide">
		<${x} asked=${n}>
			${({data:s})=>o`<${lt} job=${s.job} origin=${e} onLaunched=${t} />`}
		<//>
	<//>`}function za({run:e}){let t=document.baseURI,n={curl:xs(e,t,ln()!==""),CLI:Ss(e,t),Python:Os(e,t)};return o`<details class="menu">
		<summary>${c.run.copyAs}</summary>
		<div class="menu-box stack">
			${Object.entries(n).map(([s,r])=>o`<div key=${s}>
				<h3>${s}</h3>
				<div class="with-copy">
					<${mn} text=${r} label=${c.copyOf(s)} />
					<pre class="json"><code>${r}</code></pre>
				</div>
			</div>`)}
		</div>
	</details>`}var mt=500;function Za({events:e}){let t=new Map(e.map(n=>[n.eventId,n]));return o`${e.length>=mt&&o`<p class="note">${c.ofFirst(mt)}</p>`}<ol class="events">
		${e.map(n=>o`
			<${Xa} key=${n.position} event=${n} cause=${t.get(n.causationId)} />
		`)}
	</ol>`}function Xa({event:e,cause:t}){let{type:n,position:s,occurredAt:r,actor:a,causationId:i,correlationId:l,data:$}=e,u=c.run.events;return o`<li class="card">
		<header>
			<h2><code>${n.replace("job_run.","")}</code></h2>
			<span class="quiet">
				<${y} at=${r} full /> · ${u.position}${" "}
				<${k} to=${{view:"log",words:[["after",s-1]]}}>${s}<//>
			</span>
		</header>
		<p class="quiet">
			${c.log.actor} ${a??c.none} · ${u.cause}:${" "}
			${t?o`<code>${t.type}</code>, ${t.position}`:o`<code>${i??c.none}</code>`}
			${l&&o`
				${" \xB7 "}<${k} to=${{view:"log",words:[["correlation",l],["after",0]]}}>${c.run.chain}<//>
			`}
		</p>
		<details><summary>${u.data}</summary><${K} value=${$} label=${u.data} /></details>
	</li>`}var Ds=500;function Qa({run:e,events:t}){let n=t[0]?.correlationId,s=b(async r=>n?w("/events",[["correlation",n],["limit",Ds]],r):{data:t},[n],{newer:[e.status]});return o`<section class="card stack">
		<p class="quiet">${c.run.causesHint}</p>
		<${x} asked=${s}>
			${({data:r,meta:a})=>o`
				${a?.next&&o`<p class="note">${c.ofFirst(Ds)}</p>`}
				<${Ps} subjects=${As(r.filter(Te))} current=${e.id} />
			`}
		<//>
	</section>`}function Ps({subjects:e,current:t}){return o`<ul class="tree">
		${e.map(n=>o`<li key=${n.id}>
			<${ei} subject=${n} isCurrent=${n.id===t} />
			${n.children.length>0&&o`<${Ps} subjects=${n.children} current=${t} />`}
		</li>`)}
	</ul>`}function ei({subject:e,isCurrent:t}){let{type:n,id:s,app:r,at:a,last:i,cause:l}=e,$=n==="job_run"?{view:"run",id:s}:r&&{view:"app",id:r},u=o`${n.replaceAll("_"," ")} <span class="id">${fe(s)}</span>`;return o`<span class=${t?"is-current":""} aria-current=${t?"true":void 0}>
			${$&&!t?o`<${k} to=${$}>${u}<//>`:u}
		</span>${" "}
		<span class="tag">${i}</span>${" "}
		<small>${l&&`${c.run.causedBy(l)} \xB7 `}<${y} at=${a} /></small>`}var ti=["parameters","result","metrics","context"];function ni({run:e}){let{compare:t}=T.value;return o`<div class="cards">
			${ti.map(n=>o`<section class="card" key=${n}>
				<h2>${c.run[n]}</h2>
				<${K} value=${e[n]} label=${c.run[n]} />
			</section>`)}
		</div>
		<section class="card stack">
			<h2>${c.run.compare}</h2>
			<${si} />
			${t&&o`<${ri} run=${e} other=${t} key=${t} />`}
		</section>`}function si(){let e=v(T.value.compare);return o`<form class="group" onSubmit=${n=>{n.preventDefault(),U({compare:e.value.trim()},{replace:!0})}}>
		<input class="id-input" aria-label=${c.run.compareId} placeholder=${c.run.compareId} value=${e.value}
			onInput=${q(e)} />
		<button>${c.past.go}</button>
	</form>`}function ri({run:e,other:t}){let n=b(s=>w(`/job-runs/${t}`,R.value,s),[t]);return o`<${x} asked=${n}>
		${({data:s})=>o`<${oi} found=${It(e,s.run)} />`}
	<//>`}function oi({found:e}){return e.length===0?o`<p>${c.run.same}</p>`:o`<${Je} found=${e} />`}var ai={ArrowDown:1,ArrowUp:-1};function qs({words:e,setWords:t}){let n=v(""),s=v(-1),r=v(!1),a=M(null),i=Ve(),l=n.value.split(/\s+/).at(-1)??"",$=r.value?On(l,li(i)):[],u=m=>{n.value="",s.value=-1,t(Ke(m).reduce(Ye,e))},d=m=>{let g=n.value.slice(0,n.value.length-l.length);/[^=]$/.test(m)?u(g+m):n.value=g+m,s.value=-1,a.current?.focus()},p=(m,g)=>{m.preventDefault(),d(g)},f=m=>{let g=ai[m.key];g&&$.length>0?(m.preventDefault(),s.value=Math.min(Math.max(s.value+g,-1),$.length-1)):m.key==="Enter"?(m.preventDefault(),$[s.value]?d($[s.value]):u(n.value)):m.key==="Escape"?(r.value=!1,s.value=-1):m.key==="Backspace"&&n.value===""&&e.length>0&&t(Et(e,e.length-1))},h=m=>{n.value=m.target.value,s.value=-1,r.value=!0};return o`<div class="filter" role="search">
		<div class="filter-box">
			<${G} name="filter" />
			${e.map((m,g)=>o`
				<${ii} key=${Tt(m)} word=${m} remove=${()=>t(Et(e,g))} />
			`)}
			<input ref=${a} data-filter role="combobox" aria-label=${c.runs.filter}
				aria-expanded=${$.length>0} aria-controls="filter-found" aria-autocomplete="list"
				aria-activedescendant=${s.value>=0?`filter-${s.value}`:void 0} autocomplete="off"
				placeholder=${e.length===0?c.runs.prompt:""}
				value=${n.value} onInput=${h} onKeyDown=${f} onFocus=${()=>r.value=!0}
				onBlur=${()=>r.value=!1} />
			${e.length>0&&o`<button
				class="plain" onClick=${()=>t([])} aria-label=${c.runs.clear} title=${c.runs.clear}>
				<${G} name="close" />
			</button>`}
		</div>
		<ul role="listbox" id="filter-found" class="filter-found" aria-label=${c.runs.filter}
			hidden=${$.length===0}>
			${$.map((m,g)=>o`<li role="option" key=${m}
				id=${`filter-${g}`} aria-selected=${g===s.value}
				onMouseDown=${A=>p(A,m)}>
				${m}
			</li>`)}
		</ul>
	</div>`}function ii({word:e,remove:t}){let n=Tt(e);return o`<span class="chip ${e[0].endsWith("!")?"is-negated":""}">
		${n}
		<button class="plain" onClick=${t} aria-label=${c.runs.remove(n)}><${G} name="close" /></button>
	</span>`}function li(e){let t=e.flatMap(({parametersSchema:n})=>Object.keys(n?.properties??{}));return{jobs:e.map(({slug:n})=>n),parameters:[...new Set(t)].sort()}}var Hs="created";function Fs({words:e,sort:t}){let n=v(!1),s=M(null),r=i=>{U(i),n.value=!1,s.current?.focus()},a=({target:i})=>n.value=i.open;return o`<details class="menu" open=${n.value} onToggle=${a}>
		<summary ref=${s}>${c.savedViews.title}</summary>
		<div class="menu-box stack">${n.value&&o`<${ci} words=${e} sort=${t} open=${r} />`}</div>
	</details>`}function ci({words:e,sort:t,open:n}){let s=b(a=>w("/views",R.value,a),[]);P("views",s.again);let r=a=>ge.value=ge.value.filter(([i])=>i!==a);return o`
		<${x} asked=${s} lines=${2}>
			${({data:a})=>a.length>0&&o`
				<h2>${c.savedViews.everybodys}</h2>
				<ul class="saved-views">
					${a.map(i=>o`<${ui} key=${i.name} view=${i} open=${n} again=${s.again} />`)}
				</ul>
			`}
		<//>
		${ge.value.length>0&&o`
			<h2>${c.savedViews.mine}</h2>
			<ul class="saved-views">
				${ge.value.map(([a,i,l=""])=>o`<li key=${a}>
					<button class="plain" title=${i} onClick=${()=>n({words:Ke(i),sort:l})}>
						<bdi>${a}</bdi>
					</button>
					<${Bs} label=${c.savedViews.forget(a)} remove=${()=>r(a)} />
				</li>`)}
			</ul>
		`}
		<${$i} shared=${s.answer?.data??[]} words=${e} sort=${t} again=${s.again} />
	`}function ui({view:e,open:t,again:n}){let{name:s,filter:r,sort:a,savedBy:i,updatedAt:l}=e,$=Sn(r),u={words:$,sort:a===Hs?"":a},d=async()=>{let p={title:c.savedViews.remove(s),text:c.savedViews.removeHint,action:c.savedViews.go};await ie(p)&&(await D(()=>ae("DELETE",Js(s)),c.savedViews.isDeleted(s)),n())};return o`<li>
		<button class="plain" title=${Mt($)} onClick=${()=>t(u)}><bdi>${s}</bdi></button>
		<small><bdi>${i}</bdi> · <${y} at=${l} /></small>
		${j.value&&o`<${Bs} label=${c.savedViews.remove(s)} remove=${d} />`}
	</li>`}var Bs=({label:e,remove:t})=>o`<button class="plain" aria-label=${e} title=${e} onClick=${t}><${G} name="close" /></button>`;function $i({shared:e,words:t,sort:n,again:s}){let r=v(""),a=v(!1),i=d=>{let p=ge.value.filter(([f])=>f!==d);return ge.value=[...p,[d,Mt(t),n]],!0},l=async d=>{let p=e.find(g=>g.name===d),f={title:c.savedViews.replace(d),text:c.savedViews.replaceHint,action:c.savedViews.goOn};if(p&&!await ie(f))return!1;let h={filter:xn(t),sort:n||Hs},m=await D(()=>ae("PUT",Js(d),h));return s(),m!==void 0},$=({target:d})=>a.value=d.value==="all";return o`<form class="group" onSubmit=${async d=>{d.preventDefault();let p=r.value.trim();await(j.value&&a.value?l:i)(p)&&(J(c.savedViews.isSaved(p)),r.value="")}}>
		<input
			required maxlength="100" pattern=".*\\S.*" aria-label=${c.savedViews.name} placeholder=${c.savedViews.name}
			value=${r.value} onInput=${q(r)} />
		${j.value&&o`<select
			aria-label=${c.savedViews.whose} value=${a.value?"all":"me"} onChange=${$}>
			<option value="me">${c.savedViews.forMe}</option>
			<option value="all">${c.savedViews.forEverybody}</option>
		</select>`}
		<button disabled=${t.length===0&&!n}>${c.savedViews.save}</button>
	</form>`}var Js=e=>`/views/${encodeURIComponent(e)}`;var di=50,Us=1e3;async function ht({words:e,sort:t},n,s){let r=xe.peek().recent.runs,a=[...e,...R.value,["sort",t],["limit",di]],{rows:i,next:l}=await $e("/job-runs",a,n,s);return{rows:i.map(({run:$})=>$),next:l,known:r}}async function pi(e,t,n){let s=await ht(e,null,n);if(!t||s.rows.length===0)return s;if(s.rows[0].id!==t.newest&&!e.sort){let r=await mi(t.newest,n);r!==null&&(s={...await ht(e,r,n),hasNewer:!0})}for(;s.next!==null&&s.rows.length<Math.min(t.count,fi);){let{rows:r,next:a}=await ht(e,s.next,n);s={...s,rows:[...s.rows,...r],next:a}}return{...s,stand:t}}var fi=1e3;async function mi(e,t){try{let{data:n}=await w(`/job-runs/${e}/events`,[["limit",1]],t);return n[0].position+1}catch(n){if(V(n).status===404)return null;throw n}}function hi(){let{words:e,sort:t}=T.value,n=JSON.stringify([e,t]),s=b(i=>pi({words:e,sort:t},$n(),i),[n]),r=v(new Set),a=i=>U({words:i});return F(()=>{r.value=new Set},[n,_.value]),o`
		<div class="screen-head">
			<h1>${c.runs.title}</h1>
			<div class="actions">
				<${Fs} words=${e} sort=${t} />
				<${k} to=${{view:"bulk"}}>${c.views.bulk}<//>
			</div>
		</div>
		<${qs} words=${e} setWords=${a} />
		<div class="list-controls">
			<${yi} words=${e} setWords=${a} />
			<${ki} sort=${t} />
		</div>
		<${Si} words=${e} selected=${r} />
		<${x} asked=${s} lines=${10}>
			${i=>o`
				<${vi} page=${i} asked=${s} words=${e} sort=${t} selected=${r} key=${n+_.value} />
			`}
		<//>
	`}function vi({page:e,asked:t,words:n,sort:s,selected:r}){let a=Z(e.rows,"runs",d=>d.id),i=oe(()=>o`<${le} runs=${a} sort=${s} selected=${j.value?r:void 0} />`,[a,j.value]),l=bi(e,t.isOld),$=()=>{dn(),t.again()};F(()=>{r.value=new Set(e.rows.map(({id:d})=>d).filter(d=>r.value.has(d)))},[e]);let u=!s&&o`<${gi} page=${e} words=${n} show=${$} />`;return a.length===0?o`${u}<${wi} words=${n} />`:o`
		${u}
		<div ref=${l}>${i}</div>
		<${pe} asked=${t} load=${d=>ht({words:n,sort:s},d)} text=${c.older} />
	`}function bi(e,t){let n=M(null),s=M({page:e,isOld:t});return s.current={page:e,isOld:t},F(()=>un(()=>{let{page:{rows:r},isOld:a}=s.current;return a||!n.current?null:{newest:r[0].id,count:r.length,top:n.current.getBoundingClientRect().top}}),[]),ve(()=>{e.stand&&!t&&n.current&&scrollBy(0,n.current.getBoundingClientRect().top-e.stand.top)},[e.stand,t]),n}function gi({page:e,words:t,show:n}){let{known:s}=e,r=v({known:s,ids:new Set});r.value.known!==s&&(r.value={known:s,ids:new Set});let a=xe.value.recent.runs;F(()=>{let{ids:u}=r.value;if(a===s||_.value!==""||u.size>=Us)return;let d=new Set(e.rows.map(m=>m.id)),p=e.rows[0]?.createdAt??"",h=[...a.values()].filter(m=>m.createdAt>=p&&s.get(m.id)!==m&&!d.has(m.id)&&An(t,m)).filter(({id:m})=>!u.has(m));h.length>0&&(r.value={known:s,ids:new Set([...u,...h.map(({id:m})=>m)])})},[a,e]);let i=r.value.ids.size;if(i===0&&!e.hasNewer)return null;let l=e.hasNewer?c.runs.newest:c.runs.fresh(i),$=i<Us?l:c.runs.manyFresh;return o`<p class="pager"><button class="pill" onClick=${n}>${$}</button></p>`}function wi({words:e}){return e.length>0?o`<${L} title=${c.runs.noMatch} hint=${c.runs.noMatchHint} />`:_.value?o`<${L} title=${c.runs.noneThen} />`:o`<${L} title=${c.runs.empty} hint=${c.runs.emptyHint} command=${c.runs.emptyCommand} />`}function yi({words:e,setWords:t}){let n=yn(),s=(e.find(([i])=>i==="status")?.[1]??"").split(",").filter(Boolean),r=e.every(([i])=>i==="status"),a=i=>{let l=s.includes(i)?s.filter(u=>u!==i):[...s,i],$=e.filter(([u])=>u!=="status");t(l.length>0?Ye($,["status",l.join(",")]):$)};return o`<div class="status-filter" role="group" aria-label=${c.runs.columns.status}>
		${Ge.map(i=>o`<button
			key=${i} class="status status-${i}" aria-pressed=${s.includes(i)}
			onClick=${()=>a(i)}>
			<${G} name=${i} />${i}
			${r&&n&&o`<span class="count">${Se(n[i])}</span>`}
		</button>`)}
	</div>`}function ki({sort:e}){let t=({target:n})=>U({sort:n.value});return o`<label class="inline">${c.runs.sort}
		<select value=${e} onChange=${t}>
			${Object.entries(c.runs.orders).map(([n,s])=>o`<option key=${n} value=${n}>${s}</option>`)}
		</select>
	</label>`}var xi=4;function Si({words:e,selected:t}){let n=v("");if(!j.value)return null;let s=t.value.size;return o`<div class="selection">
		${s>0?o`<span>${c.runs.selected(s)}</span><${Ai} selected=${t} />`:o`<span>${c.runs.allMatching}:</span>
			${Oi.map(r=>o`
				<button key=${r} onClick=${()=>n.value=r}>${c.bulk.actions[r]} …</button>
			`)}`}
		${n.value&&o`
			<${Ze} action=${n.value} words=${e} onClose=${()=>n.value=""} />
		`}
	</div>`}var Oi=["cancel","retry","rerun"];function Ai({selected:e}){let t=async n=>{let s=[...e.value],r=await ie({title:c.bulk.title(n),text:c.runs.selected(s.length),action:c.bulk.go(c.bulk.actions[n],s.length),asksReason:n==="cancel"});if(!r)return;let a=n==="cancel"&&r.reason?{reason:r.reason}:void 0,i=await ji(s,l=>C(`/job-runs/${l}/${n}`,a));e.value=new Set,i.length>0&&J(i.slice(0,3).join(`
`),{isWrong:!0})};return o`
		<button class="danger" onClick=${()=>t("cancel")}>${c.bulk.actions.cancel} …</button>
		<button onClick=${()=>t("retry")}>${c.bulk.actions.retry} …</button>
		<button class="plain" onClick=${()=>e.value=new Set}>${c.runs.clearSelection}</button>
	`}async function ji(e,t){let n=[...e],s=[],r=async()=>{for(let a=n.shift();a!==void 0;a=n.shift())try{await t(a)}catch(i){s.push(c.bulk.one(a,V(i).message))}};return await Promise.all(Array.from({length:xi},r)),s}var De={d:864e5,h:36e5,min:6e4,s:1e3},Ws=Object.keys(De).reverse();function Pe(e){let t=Object.keys(De).find(n=>e%De[n]===0&&e>0)??"s";return{amount:String(e/De[t]),unit:t}}var en=({amount:e,unit:t})=>e===""?null:Math.round(Number(e)*De[t]),Vs="0 3 * * *",Gs={amount:"1",unit:"h"},Ks=e=>({id:"",job:"",rhythm:"cron",cron:Vs,every:Gs,timeZone:e,exclude:"",overlap:"skip",catchUp:Pe(6e4),jitter:Pe(0),startAt:"",endAt:"",pauseOnFailure:!1,parameters:{typed:void 0,raw:null}}),tn=e=>({id:e.id,job:e.job,rhythm:e.everyMs===null?"cron":"every",cron:e.cron??Vs,every:e.everyMs===null?Gs:Pe(e.everyMs),timeZone:e.timeZone,exclude:e.exclude.join(`
`),overlap:e.overlap,catchUp:Pe(e.catchUpMs),jitter:Pe(e.jitterMs),startAt:e.startAt??"",endAt:e.endAt??"",pauseOnFailure:e.pauseOnFailure,parameters:{typed:e.parameters,raw:null}});function vt(e){let t=e.rhythm==="cron";return{...e.id&&{id:e.id},...e.job&&{job:e.job},cron:t?e.cron:null,everyMs:t?null:en(e.every),timeZone:e.timeZone,exclude:e.exclude.split(`
`).map(n=>n.trim()).filter(Boolean),overlap:e.overlap,catchUpMs:en(e.catchUp),jitterMs:en(e.jitter),startAt:e.startAt||null,endAt:e.endAt||null,pauseOnFailure:e.pauseOnFailure}}function Ys(e,{id:t,...n}){let s=e,r=([a,i])=>JSON.stringify(i)!==JSON.stringify(s[a]);return Object.fromEntries(Object.entries(n).filter(r))}function zs(e){let[,t,n,s]=/^(\S{10})T(\d\d:\d\d:\d\d)(?:\.\d+)?(.+)$/.exec(e)??[];return`${new Date(`${t}T00:00:00Z`).toUTCString().slice(0,3)} ${t} ${n} ${s}`}var Mi=["Sunday","Monday","Tuesday","Wednesday","Thursday","Friday","Saturday","Sunday"];function Me({cron:e,everyMs:t,timeZone:n}){let s=c.schedules;if(t)return s.every(N(t));let r=n==="UTC"?"":` ${s.zone(n)}`,a=e??"";return(Ti(a)??a)+r}function Ti(e){let t=e.trim().split(/\s+/);if(t.length!==5)return null;let[n,s,r,a,i]=t,l=c.schedules,$=r==="*"&&a==="*",u=/^\*\/(\d+)$/.exec(n);if(u&&s==="*"&&$&&i==="*")return l.every(`${u[1]} min`);if(e==="* * * * *")return l.every("1 min");if(!/^\d+$/.test(n)||!$)return null;if(s==="*"&&i==="*")return`${l.every("1 h")}, ${l.at(`:${n.padStart(2,"0")}`)}`;if(!/^\d+$/.test(s))return null;let d=l.at(`${s.padStart(2,"0")}:${n.padStart(2,"0")}`);return i==="*"?`${l.daily} ${d}`:i==="1-5"?`${l.weekdays} ${d}`:/^[0-7]$/.test(i)?`${l.every(Mi[Number(i)])} ${d}`:null}var Ei=["skip","buffer_one","buffer_all","cancel_other","terminate_other","allow_all"],bt=new Map;function _i(e){let t=e?.id??"",n=bt.get(t),s=n&&Ri(n)&&n.before?.version!==e?.version;if(n&&!s)return n;let{timeZone:r}=Intl.DateTimeFormat().resolvedOptions(),a={draft:qe(e?tn(e):Ks(r)),before:e};return bt.set(t,a),a}var Ri=({draft:e,before:t})=>t&&JSON.stringify(e.value)===JSON.stringify(tn(t));function wt({schedule:e}){let t=c.schedules.form,n=e?.id??"",{draft:s,before:r}=_i(e),a=v({message:"",issues:[]}),i=Ve(),l=s.value.job||i.length===0?s.value:{...s.value,job:i[0].slug},$=Ii(l),u=[...a.value.issues,...$.error?.issues??[]],d=m=>{s.value={...l,...m};let g=Object.keys(m).map(O=>`/${Ci[O]??O}`),A=({path:O})=>g.every(X=>O!==X&&!O.startsWith(`${X}/`));a.value={message:"",issues:a.value.issues.filter(A)}},p=()=>{bt.delete(n),B(e?{view:"schedule",id:n}:{view:"schedules"})},f=async m=>{m.preventDefault();let g=i.find(({slug:O})=>O.toLowerCase()===l.job.toLowerCase()),A=ct(l.parameters,g);try{if(!A)throw new Error(c.jobs.badJson);let O=await Ni(r,{...vt(l),parameters:A});bt.delete(n),J(t.saved(O.id)),B({view:"schedule",id:O.id})}catch(O){let{code:X,message:te,issues:ne=[]}=V(O);a.value={message:te,issues:X==="schedule_exists"?[{path:"/id",message:te}]:ne},Ft(m.target)}},h={draft:l,issues:u,set:d};return o`<form class="stack" onSubmit=${f} noValidate>
		${e?.owner&&o`<p class="note">${t.owned(e.owner)}</p>`}
		${e&&e.version!==r?.version&&o`<p class="note" role="status">${t.newer(e.version)}</p>`}
		<div class="cards">
			<section class="card stack"><h2>${t.what}</h2><${Di} ...${h} jobs=${i} isNew=${!e} isWrong=${a.value.message===c.jobs.badJson} /></section>
			<section class="card stack"><h2>${c.schedules.columns.when}</h2><${Pi} ...${h} /></section>
			<div class="stack">
				<section class="card stack"><h2>${t.next}</h2><${Li} draft=${l} ...${$} /></section>
				<section class="card stack"><h2>${t.rules}</h2><${Hi} ...${h} /></section>
			</div>
		</div>
		${a.value.message&&o`<p class="problem" role="alert">${a.value.message}</p>`}
		<div class="actions">
			<button class="main">${e?t.save:c.schedules.create}</button>
			<button type="button" onClick=${p}>${t.discard}</button>
		</div>
	</form>`}var Ci={rhythm:"cron",every:"everyMs",catchUp:"catchUpMs",jitter:"jitterMs"};async function Ni(e,t){if(!e)return(await C("/schedules",t)).data;let n=Ys(e,t);return(await ae("PATCH",`/schedules/${e.id}`,n)).data}function Ii(e){let t=Ae(JSON.stringify(vt(e))),{answer:n,error:s}=b(()=>C("/schedules/preview",JSON.parse(t)),[t]);return{ticks:n?.data,error:s}}function Li({draft:e,ticks:t,error:n}){return o`<div class="stack" role="status">
		<p>${Me(vt(e))}</p>
		${n&&o`<p class="problem">${n.message||c.errors.unreachable}</p>`}
		${t&&o`<${sn} ticks=${t} />`}
	</div>`}function sn({ticks:e}){let t=c.schedules.form;return e.length===0?o`<p class="note">${t.never}</p>`:o`<ol class="coming">
		${e.map(({dueAt:n,firesAt:s,isExcluded:r})=>o`<li key=${n}>
			<time datetime=${n}>${zs(n)}</time>${" "}
			${r&&o`<span class="tag">${c.schedules.excluded}</span>`}
			${Date.parse(s)>Date.parse(n)&&o`<small>${t.late(N(Date.parse(s)-Date.parse(n)))}</small>`}
		</li>`)}
	</ol>`}function Di({draft:e,issues:t,set:n,jobs:s,isNew:r,isWrong:a}){let i=c.schedules.form,l=u=>({target:d})=>n({[u]:d.value}),$=s.find(({slug:u})=>u.toLowerCase()===e.job.toLowerCase());return o`
		${r&&o`<${me} name="id" title=${i.name} hint=${i.nameHint} issues=${t}>
			${u=>o`<input ...${u} required maxlength="100" value=${e.id} onInput=${l("id")} />`}
		<//>`}
		<${me} name="job" title=${c.views.job} issues=${t}>
			${u=>o`<select ...${u} value=${$?.slug} onChange=${l("job")}>
				${!$&&e.job&&o`<option>${e.job}</option>`}
				${s.map(({slug:d})=>o`<option key=${d} value=${d}>${d}</option>`)}
			</select>`}
		<//>
		${$&&o`<fieldset>
			<legend>${c.run.parameters}</legend>
			<${Bt} key=${$.slug} job=${$} draft=${e.parameters} issues=${t} isWrong=${a}
				onChange=${u=>n({parameters:u})} />
			${gt(t,"parameters").map(u=>o`<p class="problem" key=${u}>${u}</p>`)}
		</fieldset>`}
	`}function Pi({draft:e,issues:t,set:n}){let s=c.schedules.form,r=e.rhythm==="cron",a=($,u)=>o`<label class="check">
		<input type="radio" name="rhythm" checked=${e.rhythm===$} onChange=${()=>n({rhythm:$})} />${u}
	</label>`,i=$=>u=>n({[$]:u}),l=$=>({target:u})=>i($)(u.value);return o`
		<div class="group" role="radiogroup" aria-label=${c.schedules.columns.when}>
			${a("cron",s.byCron)}${a("every",s.byInterval)}
		</div>
		${r?o`<${me} name="cron" title=${s.cron} hint=${s.cronHint} issues=${t}>
				${$=>o`<input ...${$} class="id" value=${e.cron} onInput=${l("cron")} />`}
			<//>`:o`<${nn} name="everyMs" also="cron" title=${s.every} value=${e.every} issues=${t}
				onChange=${i("every")} />`}
		<${me} name="timeZone" title=${c.schedules.timeZone} hint=${r?"":s.zoneOfInterval} issues=${t}>
			${$=>o`<input ...${$} list="time-zones" value=${e.timeZone} onInput=${l("timeZone")} />
				<datalist id="time-zones">${qi().map(u=>o`<option key=${u}>${u}</option>`)}</datalist>`}
		<//>
		<${me} name="startAt" title=${s.start} hint=${r?"":s.startOfInterval} issues=${t}>
			${$=>o`<${ut} common=${$} value=${e.startAt} set=${l("startAt")} onChange=${i("startAt")} />`}
		<//>
		<${me} name="endAt" title=${s.end} issues=${t}>
			${$=>o`<${ut} common=${$} value=${e.endAt} set=${l("endAt")} onChange=${i("endAt")} />`}
		<//>
		<${me} name="exclude" title=${s.exclude} hint=${s.excludeHint} issues=${t}>
			${$=>o`<textarea ...${$} class="growing" rows="2" value=${e.exclude} onInput=${l("exclude")}></textarea>`}
		<//>
		<${nn} name="jitterMs" title=${s.jitter} hint=${s.jitterHint} value=${e.jitter} issues=${t}
			onChange=${i("jitter")} />
	`}var qi=()=>Intl.supportedValuesOf?.("timeZone")??[];function Hi({draft:e,issues:t,set:n}){let s=c.schedules.form,r=({target:a})=>n({pauseOnFailure:a.checked});return o`
		<fieldset>
			<legend>${c.schedules.overlap}</legend>
			${Ei.map(a=>o`<label class="check" key=${a}>
				<input type="radio" name="overlap" checked=${e.overlap===a} onChange=${()=>n({overlap:a})} />
				${a.replaceAll("_"," ")}<small>${c.schedules.overlaps[a]}</small>
			</label>`)}
			${gt(t,"overlap").map(a=>o`<p class="problem" key=${a}>${a}</p>`)}
		</fieldset>
		<${nn} name="catchUpMs" title=${s.catchUp} hint=${s.catchUpHint} value=${e.catchUp} issues=${t}
			onChange=${a=>n({catchUp:a})} />
		<label class="check">
			<input type="checkbox" checked=${e.pauseOnFailure} onChange=${r} />
			${s.pauseOnFailure}
		</label>
	`}function gt(e,t){let n=e.filter(({path:s})=>s===`/${t}`||t==="exclude"&&s.startsWith("/exclude/"));return[...new Set(n.map(({path:s,message:r})=>{let a=s.split("/")[2];return a===void 0?r:`${Number(a)+1}: ${r}`}))]}function me({name:e,also:t,title:n,hint:s,issues:r,children:a}){let i=[...gt(r,e),...t?gt(r,t):[]],l=`schedule-${e}`,$=[s&&`${l}-hint`,i.length>0&&`${l}-wrong`].filter(Boolean).join(" ")||void 0,u={id:l,"aria-describedby":$,"aria-invalid":i.length>0?"true":void 0};return o`<div class="field">
		<label for=${l}>${n}</label>
		${a(u)}
		${s&&o`<small id=${`${l}-hint`}>${s}</small>`}
		${i.length>0&&o`<p class="problem" id=${`${l}-wrong`}>${i.join("; ")}</p>`}
	</div>`}function nn({value:e,onChange:t,...n}){let s=r=>({target:a})=>t({...e,[r]:a.value});return o`<${me} ...${n}>
		${r=>o`<div class="group">
			<input ...${r} class="amount" type="number" min="0" step="any" value=${e.amount} onInput=${s("amount")} />
			<select aria-label=${c.schedules.form.unitOf(n.title)} value=${e.unit} onChange=${s("unit")}>
				${Ws.map(a=>o`<option key=${a} value=${a}>${c.schedules.form.units[a]}</option>`)}
			</select>
		</div>`}
	<//>`}var Zs=100;async function yt(e,t,n){let s=[];for(let i=0;i<e.length;i+=Zs)s.push(e.slice(i,i+Zs));let a=(await Promise.all(s.map(i=>w("/job-runs/by-schedule",[["schedule",i.join(",")],["last",t]],n)))).flatMap(({data:i})=>i);return new Map(a.map(i=>[i.schedule,i]))}var Fi=({status:e})=>e==="pending"||e==="running",Bi=({status:e})=>e==="failed"||e==="expired";function kt(e){let t=e?.last.find(n=>!Fi(n));return t&&Bi(t)?t:void 0}var xt=({run:e})=>o`<${k} to=${{view:"run",id:e.id}}>
	<${S} status="failed" label=${c.schedules.lastFailed} /><//>`;function St({runs:e}){return e?e.last.length===0?o`<span class="quiet">${c.schedules.runs.none}</span>`:o`<span class="strip">
		${e.last.toReversed().map(({id:t,status:n,createdAt:s})=>{let r=`${c.status(n)}, ${ee(s)}`;return o`<${k} key=${t} to=${{view:"run",id:t}} class="status-${_e(n)}" aria-label=${r} title=${r}>
				<${G} name=${_e(n)} />
			<//>`})}
	</span>`:o`<span class="quiet">–</span>`}function Ot({id:e,runs:t}){let n=c.schedules.runs;if(!t)return null;let{succeeded:s,failed:r,expired:a}=t.counts,i=r+a,l=s+i;if(l===0)return o`<span class="quiet">–</span>`;let $=[["actor",`schedule:${e}`]],u=[["createdAfter",t.since]];return o`<${k} to=${{view:"runs",words:[...$,...u]}}>${n.rate(s,l)}<//>
		${i>0&&o` · <${k} to=${{view:"runs",words:[["status","failed,expired"],...$,...u]}}>
			<strong class="worse">${n.failed(i)}</strong><//>`}
		${Ui(t)&&o` <small>${n.since(ee(t.since))}</small>`}`}var Ji=864e5,Ui=({since:e})=>Date.now()-Date.parse(e)<6.9*Ji;var Wi=10,Vi=100,Gi=20;function Ki(){let{id:e}=T.value,t=b(async n=>{let[{data:s},{data:r}]=await Promise.all([w(`/schedules/${e}`,[],n),w(`/schedules/${e}/preview`,[["n",Wi]],n)]),[a,i]=await Promise.all([zi(e,n),yt([s.id],Vi,n)]);return{schedule:s,preview:r,ticks:a,runs:i.get(s.id)}},[e]);return P("schedules",t.again,n=>n.has(e)),P("runs",t.again,n=>[...n.values()].some(({requestedBy:s})=>s===`schedule:${e}`)),o`<${x} asked=${t} lines=${8}>
		${n=>T.value.tab==="edit"?o`<${Yi} schedule=${n.schedule} />`:o`<${Zi} ...${n} again=${t.again} />`}
	<//>`}function Yi({schedule:e}){return o`<div class="screen-head"><h1>${c.schedules.edit} ${e.id}</h1></div>
		${j.value?o`<${wt} schedule=${e} key=${e.id} />`:o`<${we} />`}`}async function zi(e,t){let n=i=>$e(`/schedules/${e}/ticks`,[["limit",100]],i,t),s=0,r=await n(s),a=r.next&&(await w("/job-runs/counts",[],t)).meta.position;for(;r.next&&a>1;){a=Math.ceil(a/2);let i=await n(s+a);i.next&&(s+=a),i.rows.length>0&&(r=i)}return r.rows.reverse()}function Zi({schedule:e,preview:t,ticks:n,runs:s,again:r}){let a=c.schedules,i=kt(s);return o`<div class="screen-head">
			<div><h1>${e.id}</h1><p>${Me(e)} · <${Y} slug=${e.job} /></p></div>
			${j.value&&o`<${el} schedule=${e} again=${r} />`}
		</div>
		${e.paused&&o`<p class="note"><${S} status="paused" /> ${e.paused.reason??""}</p>`}
		<section class="card stack">
			<div class="screen-head">
				<h2>${a.runs.title}</h2>
				${i&&o`<${xt} run=${i} />`}
				<div class="actions"><${k} to=${{view:"runs",words:[["actor",`schedule:${e.id}`]]}}>${a.runs.all}<//></div>
			</div>
			<${St} runs=${s&&{...s,last:s.last.slice(0,Gi)}} />
			<p>${a.runs.week}: <${Ot} id=${e.id} runs=${s} /></p>
		</section>
		<div class="cards">
			<section class="card stack">
				<h2>${a.next}</h2>
				<${sn} ticks=${t} />
			</section>
			<section class="card stack">
				<h2>${c.run.parameters}</h2>
				<${K} value=${e.parameters} label=${c.run.parameters} />
			</section>
		</div>
		<${Xi} schedule=${e} />
		<section class="stack"><h2>${a.past}</h2><${Qi} ticks=${n} runs=${s?.last??[]} /></section>`}function Xi({schedule:e}){let t=c.schedules,{overlap:n,jitterMs:s,catchUpMs:r,startAt:a,endAt:i,exclude:l,pauseOnFailure:$,owner:u}=e,d=[[t.overlap,t.overlaps[n]],[t.facts.catchUp,N(r)],[t.facts.pauseOnFailure,$?t.yes:t.no],[t.facts.jitter,s>0&&N(s)],[t.facts.start,a&&o`<${y} at=${a} full />`],[t.facts.end,i&&o`<${y} at=${i} full />`],[t.facts.exclude,l.length>0&&l.map(p=>o`<code key=${p}>${p}</code> `)],[t.facts.owner,u]];return o`<dl class="facts card">
		${d.filter(([,p])=>p).map(([p,f])=>o`<div key=${p}><dt>${p}</dt><dd>${f}</dd></div>`)}
	</dl>`}function Qi({ticks:e,runs:t}){let n=new Map(t.map(({id:i,status:l})=>[i,l])),s=c.schedules;if(e.length===0)return o`<p class="quiet">${s.noTicks}</p>`;let r=[{name:"first",title:s.due,cell:({dueAt:i,lastDueAt:l,ticks:$})=>o`<${y} at=${i} />${$>1&&o` – <${y} at=${l} />`}`},{name:"status",title:s.outcome,cell:({outcome:i,ticks:l})=>o`<span class="tag">${i}</span> ${l>1&&`\xD7 ${l}`}`},{name:"why",title:s.why,cell:({reason:i,cause:l})=>i??l},{name:"run",title:c.runs.columns.run,cell:({runId:i})=>i&&o`<${I} id=${i} /> ${n.has(i)&&o`<${S} status=${n.get(i)} />`}`}],a=({position:i})=>i;return o`<${z} label=${s.past} rows=${e} keyOf=${a} columns=${r} />`}function el({schedule:e,again:t}){let n=c.schedules,s=`/schedules/${e.id}`,r=M(se()),a=async()=>{let l=await D(()=>C(`${s}/trigger`,void 0,{"Idempotency-Key":r.current}));l&&(r.current=se(),J(c.jobs.launched(l.data.id)))};return o`<div class="actions">
		<button class="danger" onClick=${async()=>{let l={title:n.removeTitle(e.id),text:n.removeText(e.id),action:n.remove};await ie(l)&&await D(()=>ae("DELETE",s),n.removed(e.id))&&B({view:"schedules"},{replace:!0})}}>${n.remove} …</button>
		<button onClick=${()=>B({view:"schedule",id:e.id,tab:"edit"})}>${n.edit}</button>
		<${We} paused=${e.paused} name=${e.id} path=${s} text=${n.pauseText} again=${t} />
		<${tl} path=${s} again=${t} />
		<button class="main" onClick=${a}>${n.trigger}</button>
	</div>`}function tl({path:e,again:t}){let n=c.schedules,s=v(""),r=v(""),a=async i=>{i.preventDefault();let l=d=>new Date(d).toISOString(),$=l(s.value),u=0;for(;$;){let d=await D(()=>C(`${e}/backfill`,{from:$,to:l(r.value)}));if(!d)return t();u+=d.data.runs.length,$=d.data.continueFrom}J(n.filled(u)),t()};return o`<details class="menu">
		<summary>${n.backfill}</summary>
		<form class="menu-box stack" onSubmit=${a}>
			<label>${n.from}<input type="datetime-local" step="1" required value=${s.value} onInput=${q(s)} /></label>
			<label>${n.to}<input type="datetime-local" step="1" required value=${r.value} onInput=${q(r)} /></label>
			<button>${n.backfill}</button>
		</form>
	</details>`}function nl(){return T.value.tab==="new"?o`<${sl} />`:o`<${rl} />`}function sl(){return o`<div class="screen-head"><h1>${c.schedules.create}</h1></div>
		${j.value?o`<${wt} />`:o`<${we} />`}`}function rl(){let e=b(t=>de("/schedules",R.value,t),[]);return P("schedules",e.again),o`<div class="screen-head">
			<h1>${c.schedules.title}</h1>
			${j.value&&o`<div class="actions">
				<button class="main" onClick=${()=>B({view:"schedules",tab:"new"})}>${c.schedules.create}</button>
			</div>`}
		</div>
		<${x} asked=${e}>${t=>o`<${ll} schedules=${t} />`}<//>`}var ol=8,al=1e4;function il(e){let t=e.map(({id:s})=>s);return b(async s=>_.value?null:yt(t,ol,s),[t.join(",")],{everyMs:al}).answer??(_.value?null:new Map)}function ll({schedules:e}){let t=il(e),n=c.schedules.columns;if(e.length===0)return o`<${L}
			title=${c.schedules.empty} hint=${c.schedules.emptyHint} command=${c.schedules.emptyCommand} />`;let s=[{name:"first",title:n.schedule,cell:({id:r,job:a})=>o`<${k} to=${{view:"schedule",id:r}}><strong>${r}</strong><//>${" "}
					<small><${Y} slug=${a} /></small>`},{name:"when",title:n.when,cell:r=>Me(r)},{name:"next",title:n.next,cell:({nextAt:r,paused:a})=>a&&!t?o`<${S} status="paused" />`:o`<${y} at=${a?null:r} />`}];return t?s.push(...cl(t)):s.push({name:"last",title:n.last,cell:({lastTick:r})=>o`<${Xs} tick=${r} />`}),o`<${z} label=${c.schedules.title} rows=${e} keyOf=${({id:r})=>r} columns=${s} />`}function cl(e){let t=c.schedules.columns;return[{name:"state",title:t.state,cell:n=>o`<${ul} schedule=${n} runs=${e.get(n.id)} />`},{name:"runs",title:t.runs,cell:({id:n})=>o`<${St} runs=${e.get(n)} />`},{name:"week",title:t.week,cell:({id:n})=>o`<${Ot} id=${n} runs=${e.get(n)} />`}]}function ul({schedule:e,runs:t}){let{paused:n,lastTick:s}=e,r=kt(t),a=s?.outcome==="skipped"&&s.reason!=="paused";return o`
		${r&&o`<${xt} run=${r} />`}
		${n&&o` <${S} status="paused" />`}
		${t&&!r&&!n&&o`<${S} status="ready" label=${c.schedules.active} />`}
		${a&&o` <small><${Xs} tick=${s} /></small>`}
	`}function Xs({tick:e}){return e?o`<span class="tag">${e.outcome}</span>${" "}
		<small><${y} at=${e.dueAt} /></small>${" "}
		${e.runId?o`<${I} id=${e.runId} />`:o`<small>${e.reason?.replaceAll("_"," ")??""}</small>`}`:o`<span class="quiet">–</span>`}var $l=3e3;function dl(){let e=b(t=>de("/workers",[],t),[],{everyMs:$l});return o`<div class="screen-head"><h1>${c.workers.title}</h1></div>
		<${x} asked=${e}>${t=>o`<${pl} workers=${t} again=${e.again} />`}<//>`}function pl({workers:e,again:t}){let n=c.workers.columns;if(e.length===0)return o`<${L}
			title=${c.workers.empty} hint=${c.workers.emptyHint} command=${c.overview.startWorker} />`;let s=[{name:"first",title:n.worker,cell:({id:r,host:a,pid:i})=>o`<strong class="id">${r}</strong> <small>${a}, ${i}</small>
				<br /><${k} to=${{view:"runs",words:[["worker",r]]}}>${c.workers.runs}<//>`},{name:"status",title:n.state,cell:({state:r})=>o`<${S} status=${r} />`},{name:"slots",title:n.slots,cell:({busy:r,slots:a,sharedBusy:i,sharedSlots:l})=>o`<meter min="0" max=${a} value=${r} aria-label=${c.overview.slots(r,a)}>
					</meter>${" "}
					<small>${c.overview.slots(r,a)}</small>
					${l>0&&o`<br /><small>${c.workers.shared(i,l)}</small>`}`},{name:"labels",title:n.labels,cell:({labels:r})=>Object.entries(r).map(([a,i])=>o`
				<span class="tag" key=${a}>${a}=${i}</span>${" "}
			`)},{name:"handlers",title:n.handlers,cell:({entryPoints:r})=>o`<${fl} names=${r} />`},{name:"beat",title:n.beat,cell:({lastBeatAt:r})=>o`<${y} at=${r} />`},{name:"version",title:n.version,cell:({version:r})=>r},{name:"action",title:c.actions,isTitleHidden:!0,cell:r=>r.state==="alive"&&j.value&&o`<button onClick=${()=>ml(r,t)}>${c.workers.drain} …</button>`}];return o`<${z} label=${c.workers.title} rows=${e} keyOf=${({id:r})=>r} columns=${s} />`}function fl({names:e}){return e===null?c.workers.any:o`<details>
		<summary>${c.workers.handlers(e.length)}</summary>
		<ul>${e.map(t=>o`<li key=${t}><code>${t}</code></li>`)}</ul>
	</details>`}async function ml({id:e},t){let n=c.workers;await ie({title:`${n.drain} ${e}`,text:n.drainText,action:n.drain})&&await D(()=>C(`/workers/${e}/drain`).then(t),n.drained)}export{er as app,ir as apps,fr as bulk,to as failures,Lo as job,zo as jobs,ra as log,Pa as run,hi as runs,Ki as schedule,nl as schedules,dl as workers};
