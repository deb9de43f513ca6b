// licences.txt names what is in it.
import{$ as k,A as un,Aa as kn,B as $n,Ba as xn,C as dn,Ca as Sn,D as B,Da as Ye,E as J,Ea as Tt,F as Ee,Fa as On,G as _e,Ga as An,H as ge,Ha as jn,I as pn,Ia as Mn,J as Se,Ja as Tn,K as c,Ka as En,L as o,La as _n,M as H,Ma as Rn,N as G,Na as Cn,O as U,Oa as Nn,P as D,Pa as In,Q as fn,Qa as ze,R as pe,S as mn,T as hn,U as Fe,V as ie,W as Be,X as vn,Y as bn,Z as K,_ as Je,a as F,aa as I,b as ve,ba as Y,c as M,ca as fe,d as oe,da as Ue,e as qe,ea as We,f as v,fa as we,g as an,ga as L,h as V,ha as gn,i as ln,ia as x,j as b,ja as Re,k as $e,ka as S,l as de,la as z,m as ae,ma as y,n as N,na as Oe,o as be,oa as wn,p as se,pa as g,q as xe,qa as Ve,r as Ot,ra as yn,s as C,sa as Z,t as At,ta as P,u as ee,ua as Ae,v as cn,va as j,w as T,wa as Ge,x as _,xa as Ke,y as R,ya as jt,z as Te,za as Mt}from"./dashboard.js";var Ln=50;function nr(){let{id:e}=T.value,t=g(async n=>{let[s,r,a]=await Promise.all([b(`/apps/${e}`,[],n),b(`/apps/${e}/builds`,[["limit",Ln]],n),b(`/apps/${e}/history`,[["limit",Ln]],n)]),i=r.meta.hasMore||a.meta.hasMore;return{app:s.data,builds:r.data,history:a.data,isCut:i}},[e]);return P("apps",t.again,n=>n.has(e)),o`<${x} asked=${t} lines=${8}>
		${n=>o`<${sr} ...${n} again=${t.again} />`}
	<//>`}function sr({app:e,builds:t,history:n,isCut:s,again:r}){let a=Z(t,"builds",({id:l})=>l),i=c.apps;return o`<div class="screen-head">
			<div><h1>${e.name}</h1><p class="quiet"><code>${e.repoUrl}</code></p></div>
			${j.value&&o`<div class="actions">
				<button onClick=${()=>D(()=>N(`/apps/${e.id}/retry`).then(r))}>${i.retry}</button>
				<button class="main" onClick=${()=>D(()=>N(`/apps/${e.id}/builds`).then(r))}>
					${i.build}
				</button>
			</div>`}
		</div>
		<p>${e.description}</p>
		<p class="tags">
			<${S} status=${e.ingestStatus} />
			${e.tags.map(({key:l,value:d})=>o`<span class="tag" key=${l+d}>${l}:${d}</span>`)}
		</p>
		${e.ingestError&&o`<p class="error-message" tabindex="0"><code>${e.ingestError}</code></p>`}
		${s&&o`<p class="note">${c.apps.cut}</p>`}
		<${or} tiles=${e.previewTiles} />
		<section class="stack">
			<h2>${i.builds}</h2>
			${a.length===0?o`<p class="quiet">${i.noBuilds}</p>`:a.map(l=>o`
				<${ar} key=${l.id} build=${l} again=${r} />
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
		</section>`}var Et=({src:e,posterUrl:t,embedUrl:n})=>e??t??n??"";function rr({tile:e}){let t=Et(e),n=e.title??t;return/^https?:/.test(t)?o`<a href=${t} rel="noreferrer">${n}</a>`:n}function or({tiles:e}){return e.length===0?null:o`<section class="stack">
		<h2>${c.apps.previews}</h2>
		<ul class="cards">
			${e.map(t=>o`<li class="card stack" key=${t.id}>
				${Et(t).startsWith("data:image/")?o`
					<img class="preview" src=${Et(t)} alt=${t.title??c.apps.preview} />
					${t.title&&o`<small>${t.title}</small>`}
				`:o`<${rr} tile=${t} />`}
			</li>`)}
		</ul>
	</section>`}function ar({build:e,again:t}){let{id:n,status:s,imageTag:r,errorMessage:a,commitSha:i,createdAt:l,startedAt:d,completedAt:u,durationMs:$,hasLogs:p,jobRunId:f}=e,h=v(!1),m=({target:A})=>h.value=A.open,w=c.apps;return o`<article class="card stack">
		<div class="screen-head">
			<h3><span class="id">${fe(n)}</span></h3>
			<${S} status=${s} />
			<small><${y} at=${l} /> · <${Oe} from=${d} to=${u} ms=${$} /></small>
			${f&&o`<${I} id=${f} />`}
			${s==="failed"&&j.value&&o`
				<div class="actions"><button onClick=${()=>D(()=>N(`/builds/${n}/retry`).then(t))}>${w.rebuild}</button></div>
			`}
		</div>
		<p>
			${r&&o`<code>${r}</code>`}${" "}
			${i&&o`<small class="id">${i.slice(0,12)}</small>`}
		</p>
		${a&&o`<p class="problem">${a}</p>`}
		${p&&o`<details onToggle=${m}>
			<summary>${w.log}</summary>
			${h.value&&o`<${ir} id=${n} status=${s} />`}
		</details>`}
	</article>`}function ir({id:e,status:t}){let n=g(s=>b(`/builds/${e}/logs`,[],s),[e],{newer:[t],everyMs:t==="running"?2e3:void 0});return o`<${x} asked=${n}>
		${({data:s})=>o`<pre class="log-lines" tabindex="0" aria-label=${c.apps.log}>${s.logs}</pre>`}
	<//>`}var lr=48;function cr(){let e=Object.fromEntries(T.value.words),t=a=>async i=>{let{data:l,meta:d,total:u}=await b("/apps",[["q",e.q],["status",e.status],["limit",lr],["offset",a]],i);return{rows:l,total:u??l.length,next:d.nextOffset}},n=g(t(0),[e.q,e.status]),s=v(e.q??""),r=a=>{a.preventDefault(),J({words:s.value?[["q",s.value]]:[]})};return o`<div class="screen-head">
			<h1>${c.apps.title} ${n.answer&&o`<span class="count">${Se(n.answer.total)}</span>`}</h1>
			<form class="group" role="search" onSubmit=${r}>
				<input
					type="search" data-filter aria-label=${c.apps.search} placeholder=${c.apps.search}
					value=${s.value} onInput=${H(s)} />
			</form>
		</div>
		<${x} asked=${n}>
			${({rows:a})=>o`
				<${ur} found=${a} isAll=${!e.q&&!e.status} />
				<${pe} asked=${n} load=${i=>t(i)()} />
			`}
		<//>`}function ur({found:e,isAll:t}){let n=Z(e,"apps",({id:s})=>s);return n.length===0&&!t?o`<${L} title=${c.apps.noMatch} hint=${c.apps.noMatchHint} />`:n.length===0?o`<${L} title=${c.apps.empty} hint=${c.apps.emptyHint} command=${c.apps.emptyCommand} />`:o`<ul class="cards">${n.map(s=>o`<${$r} key=${s.id} app=${s} />`)}</ul>`}function $r({app:e}){return o`<li class="card stack">
		<div class="screen-head">
			<h2><${k} to=${{view:"app",id:e.id}}>${e.name}<//></h2>
			<${S} status=${e.ingestStatus} />
		</div>
		<p class="two-lines">${e.description}</p>
		${e.ingestError&&o`<p class="problem two-lines">${e.ingestError}</p>`}
		<p class="tags">
			${e.tags.map(({key:t,value:n})=>o`<span class="tag" key=${t+n}>${t}:${n}</span>`)}
		</p>
		<p class="quiet">
			${e.latestBuild&&o`
				<${S} status=${e.latestBuild.status} label=${c.apps.buildIs(e.latestBuild.status)} />
			`}${" "}
			<${y} at=${e.updatedAt} />
		</p>
	</li>`}function le({runs:e,selected:t,sort:n="",isBrief:s=!1,isOfOneJob:r=!1}){let a=c.runs.columns,i=[{name:"first",title:a.run,cell:l=>o`<${I} id=${l.id} />`},{name:"job",title:a.job,cell:l=>o`<${Y} slug=${l.slug} />`},{name:"status",title:a.status,cell:l=>o`<${pr} run=${l} />`},{name:"took",title:a.took,cell:l=>o`<${Oe} from=${l.startedAt} to=${l.completedAt} ms=${l.durationMs} />`},n==="ended"?{name:"created",title:a.ended,cell:l=>o`<${y} at=${l.completedAt} />`}:{name:"created",title:a.created,cell:l=>o`<${y} at=${l.createdAt} />`}];return s||i.push({name:"why",title:a.details,cell:l=>o`<${fr} run=${l} />`}),r&&i.splice(1,1),t&&i.unshift(mr(e,t)),o`<${z} label=${c.runs.title} rows=${e} keyOf=${dr} columns=${i}
		rowClass=${({id:l})=>t?.value.has(l)?"is-selected":""} />`}var dr=({id:e})=>e;function pr({run:e}){let t=e.attempt>1;return o`<${S} status=${e.status} />${" "}
		${t&&o`<small>${c.runs.attemptOf(e.attempt,e.maxAttempts)}</small>`}`}function fr({run:e}){if(e.errorMessage)return o`<span class="one-line">${e.errorMessage}</span>`;if(e.status==="pending")return o`<small>${c.runs.dueAt} <${y} at=${e.scheduledAt} /></small>`;let t=Object.entries(e.parameters??{});return o`<span class="one-line quiet">
		${t.map(([n,s])=>`${n}=${JSON.stringify(s)}`).join(" ")}</span>
	`}function mr(e,t){let n=a=>{let i=new Set(t.value);i.delete(a)||i.add(a),t.value=i},s=e.length>0&&e.every(({id:a})=>t.value.has(a)),r=()=>t.value=s?new Set:new Set(e.map(({id:a})=>a));return{name:"select",title:o`<input type="checkbox" aria-label=${c.runs.selectAll} checked=${s} onChange=${r} />`,cell:({id:a})=>o`<input type="checkbox" aria-label=${c.runs.select(fe(a))} checked=${t.value.has(a)}
				onChange=${()=>n(a)} />`}}function hr(){let{id:e}=T.value,t=g(async n=>{if(!e)return Dn(null,n);let{data:s}=await b(`/bulk/${e}`,R.value,n);return{rows:[s],next:null}},[e]);return o`<h1>${c.views.bulk}</h1>
		<${x} asked=${t}>
			${({rows:n})=>o`
				<${vr} operations=${n} />
				<${pe} asked=${t} load=${Dn} text=${c.older} />
			`}
		<//>`}var Dn=(e,t)=>$e("/bulk",R.value,e,t);function vr({operations:e}){let t=Z(e,"bulk",({id:n})=>n);return t.length===0?o`<${L} title=${c.bulk.empty} hint=${c.bulk.emptyHint} />`:o`<ul class="stack">
		${t.map(n=>o`<${br} key=${n.id} operation=${n} />`)}
	</ul>`}function br({operation:e}){let{id:t,action:n,filter:s,status:r,total:a,done:i,refused:l,reason:d,requestedBy:u,createdAt:$,refusals:p}=e,f=c.bulk,h={title:f.abort,text:f.abortHint,action:f.abort},m=()=>Be(h,`/bulk/${t}/abort`,f.abort);return o`<li class="card stack">
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
		<p class="quiet"><bdi>${d}</bdi> · <bdi>${u}</bdi> · <${y} at=${$} /></p>
		${n!=="cancel"&&!_.value&&o`<${yr} operation=${e} isOpen=${T.value.id===t} />`}
		${p.length>0&&o`<ul class="refused">
			${p.slice(0,10).map(({run:w,why:A})=>o`<li key=${w}>${c.bulk.one(w,A)}</li>`)}
		</ul>`}
	</li>`}var gr=10,wr=3e3;function yr({operation:e,isOpen:t}){let n=v(t);return o`<details open=${t} onToggle=${({target:r})=>n.value=r.open}>
		<summary>${c.bulk.launched}</summary>
		${n.value&&o`<${kr} operation=${e} />`}
	</details>`}function kr({operation:{id:e,done:t}}){let n=g(r=>b(`/bulk/${e}/runs`,[["limit",gr]],r),[e],{newer:[t],everyMs:wr});return o`<${x} asked=${n} lines=${3}>${({data:r,meta:a})=>o`<div class="stack">
		${r.length===0&&o`<p class="quiet">${c.bulk.none}</p>`}
		<p>
			${Object.entries(a.counts??{}).filter(([,i])=>i>0).map(([i,l])=>o`
				<span class="tag" key=${i}>${c.bulk.went(l,i)}</span>${" "}
			`)}
		</p>
		${a.hasMore&&o`<p class="quiet">${c.bulk.newest(r.length)}</p>`}
		${r.length>0&&o`<${le} runs=${r} />`}
	</div>`}<//>`}function Ze({action:e,words:t,onClose:n}){let s={action:e,filter:kn(t)},r=g(()=>N("/bulk",{...s,dryRun:!0}),[]);return o`<${Fe} title=${c.bulk.title(e)} onClose=${n} className="wide">
		<p class="command"><code>${s.filter.join("  ")}</code></p>
		<${x} asked=${r}>
			${({data:a})=>o`
				<${Sr} preview=${a} /><${Or} order=${s} count=${a.count} onClose=${n} />
			`}
		<//>
	<//>`}var xr=5;function Sr({preview:e}){let{count:t,position:n,sample:s,refused:r}=e;return o`<div class="stack">
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
		${s.length>0&&o`<div><h3>${c.bulk.sample}</h3><${le} runs=${s.slice(0,xr)} isBrief /></div>`}
	</div>`}function Or({order:e,count:t,onClose:n}){let s=v(""),r=v(""),a=v(""),i=v(""),l=M(se()),d=t>0&&s.value.trim()!==""&&(!vn||a.value===pn.name);return o`<form class="stack" onSubmit=${async $=>{$.preventDefault();try{let p=r.value.trim()&&JSON.parse(r.value),f={...e,reason:s.value,...p&&{patch:{parameters:p}}},{data:h}=await N("/bulk",f,{"Idempotency-Key":l.current});U(c.bulk.title(e.action)),n(),B({view:"bulk",id:h.id})}catch(p){i.value=p instanceof SyntaxError?c.jobs.badJson:V(p).message}}}>
		<label>${c.reason}<input required maxlength="1000" value=${s.value} onInput=${H(s)} /></label>
		${e.action==="rerun"&&o`
			<label>${c.bulk.patch}<textarea rows="3" placeholder="{}" value=${r.value} onInput=${H(r)}></textarea></label>
		`}
		<${bn} name=${a} />
		${i.value&&o`<p class="problem" role="alert">${i.value}</p>`}
		<div class="actions">
			<button type="button" onClick=${n}>${c.leaveIt}</button>
			<button class="danger" disabled=${!d}>${c.bulk.go(c.bulk.actions[e.action],t)}</button>
		</div>
	</form>`}var Pn=/[\x00-\x08\x0b-\x1f\x7f-\x9f]/,Ar=new RegExp([/\x1b\[([0-?]*)[ -/]*([@-~])/,/\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?/,/\x1b[PX^_][^\x1b]*(?:\x1b\\)?/,/\x1b[ -/]*[0-~]/,/[\x00-\x08\x0b-\x1f\x7f-\x9f]/,/[^\x00-\x08\x0b-\x1f\x7f-\x9f]+/].map(({source:e})=>e).join("|"),"g"),Qe={foreground:null,background:null,is:new Set,classes:""},jr=[];function Fn(e,t){if(t===Qe&&!Pn.test(e)&&!e.includes("	"))return{text:e.length>1e4?e.slice(0,1e4):e,spans:jr,style:t};let n=new Rt(t);for(let[s,r,a]of e.matchAll(Ar))a?n.control(a,r):s==="\r"?n.column=0:s==="\b"?n.column=Math.max(n.column-1,0):Pn.test(s)||n.write(s);return{text:n.characters.join(""),spans:n.spans(),style:n.style}}var Rt=class{constructor(t){this.style=t,this.column=0,this.characters=[],this.classes=[]}write(t){for(let n of t)if(n==="	")do this.#e(" ");while(this.column%8!==0&&this.column<1e4);else this.#e(n)}#e(t){if(!(this.column>=1e4)){for(;this.characters.length<this.column;)this.characters.push(" "),this.classes.push("");this.characters[this.column]=t,this.classes[this.column]=this.style.classes,this.column+=1}}control(t,n){let s=Number.parseInt(n,10)||0;t==="m"&&!Mr.test(n)?this.style=Tr(this.style,n):t==="K"?this.#t(s):t==="C"?this.column=Math.min(this.column+(s||1),1e4):t==="D"?this.column=Math.max(this.column-(s||1),0):t==="G"&&(this.column=Math.min((s||1)-1,1e4))}#t(t){let n=t===0?this.column:0;if(t===1){let s=Math.min(this.column+1,this.characters.length);this.characters.fill(" ",0,s),this.classes.fill("",0,s)}else this.characters.length=Math.min(n,this.characters.length),this.classes.length=this.characters.length}spans(){let t=[],n=0;for(let[s,r]of this.characters.entries()){let a=this.classes[s],i=t.at(-1),l=n+r.length;a&&i?.to===n&&i.classes===a?i.to=l:a&&t.length<500&&t.push({from:n,to:l,classes:a}),n=l}return t}},Mr=/[<=>?]/,Hn={1:"bold",2:"dim",3:"italic",4:"underline",7:"inverse",9:"strike"},qn={21:["bold"],22:["bold","dim"],23:["italic"],24:["underline"],27:["inverse"],29:["strike"]};function Tr(e,t){let{foreground:n,background:s}=e,r=new Set(e.is),a=t.split(";");for(let i=a.shift();i!==void 0;i=a.shift()){let[l,...d]=i.split(":").map(Number);if(l===0)n=s=null,r=new Set;else if(l===38||l===48){let u=d.length>0?Bn(d[0],d.slice(d[0]===2?-3:1)):Er(a);l===38?n=u:s=u}else if(l===4&&d[0]===0)r.delete("underline");else if(Hn[l])r.add(Hn[l]);else if(qn[l])for(let u of qn[l])r.delete(u);else l===39?n=null:l===49?s=null:Xe(l,30)||Xe(l,90)?n=l%10:(Xe(l,40)||Xe(l,100))&&(s=l%10)}return n===null&&s===null&&r.size===0?Qe:{foreground:n,background:s,is:r,classes:Rr(n,s,r)}}var Xe=(e,t)=>e>=t&&e<t+8;function Er(e){let t=Number(e.shift());return Bn(t,e.splice(0,t===2?3:1).map(Number))}function Bn(e,t){if(e===2)return _t(t);let[n=0]=t;if(e!==5)return null;if(n<16)return n%8;if(n>=232)return _t([1,1,1].map(r=>r*(8+10*(n-232))));let s=n-16;return _t([Math.floor(s/36),Math.floor(s/6)%6,s%6].map(r=>r*51))}var _r=48;function _t([e=0,t=0,n=0]){let s=Math.max(e,t,n),r=Math.min(e,t,n);if(s-r<_r)return s<128?0:7;let a=(s+r)/2;return(e>a?1:0)+(t>a?2:0)+(n>a?4:0)}function Rr(e,t,n){let s=n.has("inverse")?e??7:t,r=s===null?e!==null&&`ansi-${e}`:`ansi-on-${s}`,a=[...n].filter(i=>i!=="inverse").map(i=>`ansi-${i}`);return[r,...a].filter(Boolean).join(" ")}var Cr=1e5,Nr=1e4,Jn=1e5,Vn=/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z /,ye=class{dropped=0;#e=[];#t=[];#s=new Map;#r=Qe;#n="";#o=!1;get end(){return this.finished+(this.#n!==""&&!this.#o?1:0)}get finished(){return this.dropped+this.#e.length}add(t){let n=(this.#n+t).split(`
`);this.#n=Ir(n.pop()??"");for(let r of n)this.#a(r);let s=this.#e.length-Cr;s>Nr&&this.#i(s)}finish(){this.#n!==""&&!this.#o&&this.#a(this.#n),this.#o=!0}line(t){return t>=this.finished?Un(this.#n,this.#r):{text:this.#e[t-this.dropped]??"",spans:this.#s.get(t)??[]}}width(t){return t>=this.finished?Wn(this.line(t).text):this.#t[t-this.dropped]}#a(t){let{text:n,spans:s,style:r}=Un(t,this.#r);this.#r=r,s.length>0&&this.#s.set(this.finished,s),this.#e.push(n),this.#t.push(Wn(n))}#i(t){this.#e.splice(0,t),this.#t.splice(0,t),this.dropped+=t;for(let n of this.#s.keys()){if(n>=this.dropped)break;this.#s.delete(n)}}};function Un(e,t){let n=Vn.exec(e)?.[0]??"",s=Fn(e.slice(n.length),t),r=s.spans.map(a=>({...a,from:a.from+n.length,to:a.to+n.length}));return{...s,text:n+s.text,spans:r}}function Ir(e){if(e.length<=Jn)return e;let t=Vn.exec(e)?.[0]??"",n=e.slice(Math.max(e.lastIndexOf("\r")+1,t.length));return(t+n).slice(0,Jn)}var Lr=/^[ -~]*$/,Dr=new RegExp("[\\u1100-\\u115f\\u2e80-\\ua4cf\\uac00-\\ud7a3\\uf900-\\ufaff\\ufe30-\\ufe6f\\uff00-\\uff60\\uffe0-\\uffe6]|\\p{Emoji_Presentation}|[\\u{20000}-\\u{3fffd}]","gu");function Wn(e){if(Lr.test(e))return e.length;let t=e.match(Dr)?.length??0;return[...e].length+t}function Gn(e,t,n){let s=e.dropped,r=e.end-s;if(t===null)return{first:s,count:r,begins:i=>i};let a=new Float64Array(r+1);for(let i=0;i<r;i+=1){let l=s+i,d=n.get(l)??Math.max(Math.ceil(e.width(l)/t),1);a[i+1]=a[i]+d}return{first:s,count:r,begins:i=>a[i]}}function et(e,{count:t,begins:n}){let s=0,r=Math.max(t-1,0);for(;s<r;){let a=Math.ceil((s+r)/2);n(a)<=e?s=a:r=a-1}return s}function tt(e){return e===""?null:new RegExp(e.replace(/[\\^$.*+?()[\]{}|]/g,"\\$&"),"gi")}var je=class{hits=[];#e=0;#t;constructor(t){this.#t=new RegExp(t.source,"i")}advance(t,n){for(this.hits[0]<t.dropped&&(this.hits=this.hits.filter(s=>s>=t.dropped)),this.#e=Math.max(this.#e,t.dropped);this.#e<t.finished;){if(this.#e%256===0&&n())return!1;this.#t.test(t.line(this.#e).text)&&this.hits.push(this.#e),this.#e+=1}return!0}};function Kn(e,t,n,s){if(e.length===0)return null;let r=t??(s===1?n.first-1:n.last+1),a=e.findIndex(l=>l>r);if(s===1)return a===-1?e[0]:e[a];let i=e.findLastIndex(l=>l<r);return i===-1?e[e.length-1]:e[i]}function Ce({text:e,spans:t},n){let r=(n===null?[]:[...e.matchAll(n)]).map(({index:$,0:{length:p}})=>({from:$,to:$+p})),a=[0,e.length,...[...t,...r].flatMap(({from:$,to:p})=>[$,p])],i=[...new Set(a)].sort(($,p)=>$-p),l=$=>{let p=0;return f=>{for(;$[p]?.to<=f;)p+=1;return $[p]?.from<=f?$[p]:null}},d=l(t),u=l(r);return i.slice(1).map(($,p)=>{let f=i[p];return{text:e.slice(f,$),classes:d(f)?.classes??"",isHit:u(f)!==null}})}var re=20,Yn=20;function Zn({run:e}){let t=Object.fromEntries(T.value.words),n=zn(t.attempt,e.attempt)??e.attempt,s=zn(t.line,1/0),r=t.find??"",{log:a,version:i,isGrowing:l,error:d}=Yr(e.id,n),u=c.run.log,$=({target:p})=>J({words:[["attempt",p.value]]});return o`<section class="card stack log">
		${_.value&&o`<p class="note">${c.past.notHere}</p>`}
		${e.attempt>1&&o`<label class="inline">
			${c.run.attempts}
			<select value=${n} onChange=${$}>
				${Array.from({length:e.attempt},(p,f)=>o`
					<option key=${f} value=${f+1}>${c.run.attempt(f+1)}</option>
				`)}
			</select>
		</label>`}
		${d&&o`<${gn} error=${d} />`}
		${a.dropped>0&&o`<p class="note">${u.cut}</p>`}
		${a.end===0&&!d?o`<p class="quiet">${l?c.loading:u.empty}</p>`:o`<${Pr} log=${a} version=${i} isGrowing=${l} attempt=${n} linked=${s} find=${r}
			save=${()=>D(()=>Vr(e.id,n))} key=${n} />`}
	</section>`}function zn(e,t){return/^[1-9][0-9]{0,8}$/.test(e??"")&&Number(e)<=t?Number(e):null}function Pr({log:e,version:t,isGrowing:n,attempt:s,linked:r,find:a,save:i}){let l=c.run.log,d=v(a),u=v(null),$=oe(()=>tt(d.value),[d.value]),p=Wr(e,t,$),f=u.value??(r===null?null:r-1),h=Jr(e,t,f,r===null),m=M(null);F(()=>{if(r===null||m.current===r||r>h.layout.first+h.layout.count)return;m.current=r;let{first:q,last:ue}=h.visible();(r-1<q||r-1>ue)&&h.show(r-1)},[r,t]);let w=q=>{let ue=Kn(p,u.value,h.visible(),q);ue!==null&&(u.value=ue,h.show(ue))},A=q=>{u.value=null,H(d)(q)},O=q=>{q.preventDefault(),w(1)},X=({target:q})=>_e.value=q.checked,te=q=>{q.key!=="Enter"||!q.shiftKey||(q.preventDefault(),w(-1))},ne=u.value===null?-1:p.indexOf(u.value),W=h.sticks.value?l.follows:l.grows;return o`<form class="group" role="search" onSubmit=${O}>
			<input type="search" aria-label=${l.search} placeholder=${l.search} value=${d.value}
				onInput=${A} onKeyDown=${te} />
			<button type="button" aria-label=${l.previous} title=${l.previous} disabled=${p.length===0}
				onClick=${()=>w(-1)}>↑</button>
			<button type="button" aria-label=${l.next} title=${l.next} disabled=${p.length===0}
				onClick=${()=>w(1)}>↓</button>
			${$&&o`<span class="quiet" role="status">
				${ne===-1?l.found(p.length):l.hit(ne+1,p.length)}</span>`}
			<span class="quiet">${l.lines(e.end)}${n?` \xB7 ${W}`:""}</span>
			<label class="check"><input type="checkbox" checked=${_e.value}
				onChange=${X} />${l.wrap}</label>
			<button type="button" disabled=${h.sticks.value} onClick=${h.toEnd}>${l.latest}</button>
			<button type="button" onClick=${i}>${l.download}</button>
		</form>
		<div class="log-box ${_e.value?"is-wrapped":""}" ref=${h.element} tabindex="0" role="log"
			aria-live="off" aria-label=${c.run.tabs.log} ...${h.handlers}>
			<div class="line is-ruler" aria-hidden="true"><span class="line-number"></span><span class="line-text"
				><span>${"0".repeat(Qn)}</span></span></div>
			<${Hr} log=${e} version=${t} box=${h} pattern=${$} attempt=${s}
				current=${u.value} linked=${r} />
		</div>`}function Hr({log:e,box:t,pattern:n,attempt:s,current:r,linked:a}){let{begins:i,count:l}=t.layout,{top:d,height:u}=t.view.value,$=et(Math.floor(d/re)-Yn,t.layout),p=Math.min(et(Math.ceil((d+u)/re)+Yn,t.layout)+1,l),f=Array.from({length:p-$},(A,O)=>t.layout.first+$+O),h=M(null);ve(()=>h.current?t.measure(h.current):void 0);let m=A=>({...T.value,words:[["attempt",s],["line",A+1]]}),w=A=>A===r?"is-current":A+1===a?"is-linked":"";return o`<svg class="spacer" width="1" height=${i($)*re} aria-hidden="true"></svg>
		<div ref=${h}>
			${f.map(A=>o`<div class="line ${w(A)}" key=${A} data-number=${A}>
				<${k} to=${m(A)} class="line-number" tabindex="-1" aria-label=${c.run.log.line(A+1)}>
					${A+1}<//>
				<span class="line-text">${Ce(e.line(A),n).map(nt)}</span>
			</div>`)}
		</div>
		<svg class="spacer" width="1" height=${(i(l)-i(p))*re} aria-hidden="true"></svg>`}function Xn({text:e}){let t=oe(()=>qr(e),[e]);return Array.from({length:t.end},(n,s)=>o`${Ce(t.line(s),null).map(nt)}${`
`}`)}function qr(e){let t=new ye;return t.add(e),t.finish(),t}function nt({text:e,classes:t,isHit:n}){let s=t?o`<span class=${t}>${e}</span>`:e;return n?o`<mark>${s}</mark>`:s}var Qn=100,Fr=200,Br=["ArrowUp","PageUp","Home"];function Jr(e,t,n,s){let r=M(null),a=v({top:0,height:480,columns:80}),i=v(s),l=M(0),d=M({first:0,last:0}),u=M({before:0,now:0,at:0}),$=M({columns:null,rows:new Map}),p=v(0),f=_e.value?a.value.columns:null;$.current.columns!==f&&($.current={columns:f,rows:new Map});let h=oe(()=>Gn(e,f,$.current.rows),[e,t,f,p.value]),m=()=>{let{top:E,height:Q}=a.value,he=ke=>h.first+et(ke,h);return{first:he(Math.ceil(E/re)),last:he(Math.floor((E+Q)/re)-1)}},w=()=>r.current.scrollHeight-r.current.clientHeight,A=()=>performance.now()-u.current.at<Fr?u.current.before:w(),O=()=>{let{scrollTop:E,clientHeight:Q}=r.current;a.value={...a.value,top:E,height:Q},d.current=m()},X=E=>h.begins(Math.min(Math.max(E-h.first,0),h.count))*re,te=E=>{r.current.scrollTop=E,l.current=r.current.scrollTop,O()},ne=E=>{i.value=!1,te(Math.max(X(E)-r.current.clientHeight/2,0))},W=()=>{i.value=!0,te(r.current.scrollHeight)},q=()=>{r.current.scrollTop>0&&(i.value=!1)},ue=()=>{let{scrollTop:E}=r.current;return E<l.current&&E<w()-re},tr=()=>{let{scrollTop:E}=r.current;ue()?i.value=!1:E>l.current&&E>A()-re&&(i.value=!0),l.current=E,O()};return ve(()=>{u.current={before:u.current.now,now:w(),at:performance.now()},i.value&&ue()&&(i.value=!1),i.value&&W()},[t,f,p.value,a.value.height]),ve(()=>{if(i.value)return;let{first:E,last:Q}=d.current;n!==null&&n>=E&&n<=Q?ne(n):te(X(E))},[f]),ve(()=>{let E=new ResizeObserver(()=>{let Q=r.current.querySelector(".is-ruler .line-text"),he=Q.firstElementChild.getBoundingClientRect().width/Qn,{clientHeight:ke}=r.current;a.value={...a.value,height:ke,columns:Math.max(Math.floor(Q.clientWidth/he),1)},i.peek()&&W()});return E.observe(r.current),()=>E.disconnect()},[]),{element:r,view:a,sticks:i,layout:h,toEnd:W,visible:m,show:ne,measure:E=>{if(f===null)return;let Q=!1;for(let he of E.children){let ke=Number(he.dataset.number),rn=ke-h.first,on=Math.max(Math.round(he.offsetHeight/re),1);on!==h.begins(rn+1)-h.begins(rn)&&($.current.rows.set(ke,on),Q=!0)}Q&&(p.value+=1)},handlers:{onScroll:tr,onWheel:({deltaY:E})=>E<0&&q(),onTouchMove:q,onKeyDown:({key:E})=>Br.includes(E)&&q()}}}var Ur=8;function Wr(e,t,n){let s=oe(()=>n&&new je(n),[e,n]),r=v(0);return F(()=>{if(s===null)return;let a,i=()=>{let l=performance.now(),d=s.advance(e,()=>performance.now()-l>Ur);r.value+=1,d||(a=setTimeout(i))};return i(),()=>clearTimeout(a)},[s,t]),r.value>=0&&s!==null?s.hits:[]}async function Vr(e,t){let n=[];for await(let{piece:r}of be(`/job-runs/${e}/logs`,[["attempt",t]]))n.push(r);let s=document.createElement("a");s.href=URL.createObjectURL(new Blob(n,{type:"text/plain"})),s.download=`${e}-${t}.log`,s.click(),URL.revokeObjectURL(s.href)}var Gr=1e3,Kr=80;function Yr(e,t){let n=()=>({log:new ye,version:0,isGrowing:!0,error:null}),s=v(n());return F(()=>{let r=new AbortController;s.value=n();let{log:a}=s.value,i=l=>s.value={...s.value,version:s.value.version+1,...l};return zr(e,t,a,r.signal,i),()=>r.abort()},[e,t]),s.value}async function zr(e,t,n,s,r){let a=0,i,l=()=>{i=void 0,s.aborted||r({error:null})};for(;!s.aborted;)try{let d=[["attempt",t],["offset",a],["follow",!0]];for await(let{piece:u,bytes:$}of be(`/job-runs/${e}/logs`,d,s))n.add(u),a+=$,i??=setTimeout(l,Kr);if(clearTimeout(i),s.aborted)return;n.finish(),r({error:null,isGrowing:!1});return}catch(d){if(s.aborted)return;let u=V(d),$=u.status!==void 0&&u.status>=400&&u.status<500;if(r($?{error:u,isGrowing:!1}:{error:u}),$)return;await new Promise(p=>setTimeout(p,Gr))}}var Zr=1e3,Xr=4,Qr=3;function es({runs:e}){let t=c.failures.logs,n=v(""),s=v(null),r=M(null);return F(()=>()=>r.current?.abort(),[]),o`<section class="stack">
		<form class="group" role="search" onSubmit=${i=>{i.preventDefault(),r.current?.abort(),r.current=new AbortController,to(e,n.value,r.current.signal,l=>s.value=l)}}>
			<input type="search" required aria-label=${t.search} placeholder=${t.search} value=${n.value}
				onInput=${H(n)} />
			<button>${t.go}</button>
		</form>
		${s.value&&o`<${eo} ...${s.value} count=${e.length} />`}
	</section>`}function eo({sought:e,results:t,count:n}){let s=c.failures.logs,r=t.filter(l=>l!==void 0),a=r.filter(({hits:l})=>l),i=r.filter(({hits:l})=>l===null).length;return o`<p class="quiet" role="status">
			${s.searched(a.length,r.length,n)}${i>0&&` ${s.unread(i)}`}
		</p>
		<ul class="stack found-logs">
			${a.map(({run:l,hits:d,lines:u})=>o`<li key=${l.id}>
				<p><${I} id=${l.id} /> · <${k}
					to=${{view:"run",id:l.id,tab:"log",words:[["attempt",l.attempt],["find",e]]}}>
					${s.hits(d??0)}<//></p>
				<pre class="json" tabindex="0"><code>${u.map($=>o`${$.map(nt)}${`
`}`)}</code></pre>
			</li>`)}
		</ul>`}async function to(e,t,n,s){let r=tt(t);if(!r)return;let a=Array.from(e,()=>{}),i=0,l=async()=>{for(;i<e.length&&!n.aborted;){let d=i;i+=1;let u=await no(e[d],r,n);if(n.aborted)return;a[d]=u,s({sought:t,results:[...a]})}};s({sought:t,results:a}),await Promise.all(Array.from({length:Xr},l))}async function no(e,t,n){if(e.attempt===0)return{run:e,hits:0,lines:[]};let s=new ye;try{let i=[["attempt",e.attempt],["last",Zr]];for await(let{piece:l}of be(`/job-runs/${e.id}/logs`,i,n))s.add(l)}catch{return{run:e,hits:null,lines:[]}}s.finish();let r=new je(t);r.advance(s,()=>!1);let{hits:a}=r;return{run:e,hits:a.length,lines:a.slice(0,Qr).map(i=>Ce(s.line(i),t))}}var so=["open","resolved","ignored"];function ro(){let{words:e,id:t}=T.value,n=Object.fromEntries(e),s=n.status??"open",r=g(l=>ts(t,s,n.job,l),[t,s,n.job]);P("failures",r.again);let a=l=>J({id:"",words:[["status",l],...e.filter(([d])=>d!=="status")]}),i=l=>ts("",s,n.job,void 0,l);return o`<div class="screen-head">
			<h1>${c.failures.title}</h1>
			<div class="group" role="group" aria-label=${c.runs.columns.status}>
				${so.map(l=>o`
					<button key=${l} aria-pressed=${!t&&l===s} onClick=${()=>a(l)}>${l}</button>
				`)}
			</div>
		</div>
		<${x} asked=${r}>
			${({rows:l})=>o`<${ao} groups=${l} asked=${r} load=${i} />`}
		<//>`}async function ts(e,t,n,s,r=null){return e?{rows:[await oo(e,s)],next:null}:$e("/failures",[["status",t],["job",n],...R.value],r,s)}async function oo(e,t){if(_.value==="")return(await b(`/failures/${e}`,[],t)).data;let{data:n}=await b("/failures",R.value,t),s=n.find(({fingerprint:r})=>r===e);if(!s)throw new an(404,"failure_not_found",c.failures.notThen);return s}function ao({groups:e,asked:t,load:n}){let s=co(e);return e.length===0?o`<${L} title=${c.failures.empty} hint=${c.failures.emptyHint} />`:o`<ul class="stack">
			${e.map(r=>o`
				<${po} key=${r.fingerprint} group=${r} trend=${s.get(r.fingerprint)} again=${t.again}
					isOpen=${T.value.id===r.fingerprint} />
			`)}
		</ul>
		<${pe} asked=${t} load=${n} />`}var io=864e5,st=18e5,lo=1e4,ns=100;function co(e){let t=e.map(({fingerprint:s})=>s);return g(s=>uo(t,s),[t.toSorted().join(",")],{everyMs:lo}).answer??new Map}async function uo(e,t){if(_.value||e.length===0)return new Map;let n=[];for(let u=0;u<e.length;u+=ns)n.push(e.slice(u,u+ns));let s=Math.ceil(Date.now()/st)*st,[r,a]=[s-io,s].map(u=>new Date(u).toISOString()),i={from:r,to:a,bucketMs:st},l=await Promise.all(n.map(u=>b("/failures/over-time",[["group",u.join(",")],["from",r],["bucketMs",st]],t))),d=({fingerprint:u,since:$,buckets:p})=>{let f=p.reduce((h,{failures:m})=>h+m,0);return[u,{buckets:Mn(p,i),failed:f,isWhole:Date.parse($)<=Date.parse(r),since:$}]};return new Map(l.flatMap(({data:u})=>u).map(d))}var $o={open:["resolve","ignore"],resolved:["reopen"],ignored:["reopen"]},Ct=qe("");function po({group:e,trend:t,again:n,isOpen:s}){let r=v(s),{fingerprint:a,title:i,job:l,reason:d,frame:u,status:$,count:p,recovered:f,firstAt:h,lastAt:m,affectedVersions:w,sampleRun:A}=e,O=c.failures,X=W=>D(()=>N(`/failures/${a}/${W}`).then(n),O.done[W]),te=({target:W})=>r.value=W.open,ne=[["failureGroup",a]];return o`<li class="card stack">
		<div class="screen-head">
			<${S} status=${$} />
			<h2 class="failure-title">${i}</h2>
			${j.value&&o`<div class="actions">
				${$==="open"&&o`
					<button onClick=${()=>Ct.value=a}>${O.retryAll} …</button>
				`}
				${$o[$].map(W=>o`<button key=${W} onClick=${()=>X(W)}>${O[W]}</button>`)}
			</div>`}
		</div>
		<p>
			<${Y} slug=${l} /> · <code>${d}</code> ${u&&o`· <code>${u}</code>`} ·${" "}
			${O.versions(w)}
		</p>
		<p>
			<strong>${O.times(p)}</strong>${f>0&&`, ${O.recovered(f)}`} ·${" "}
			${O.first} <${y} at=${h} /> · ${O.last} <${y} at=${m} /> · ${O.sample}:${" "}
			<${I} id=${A} /> · <${k} to=${{view:"runs",words:ne}}>${c.runs.title}<//>
		</p>
		${t&&o`<p><${ze} buckets=${t.buckets} /> <small>${t.isWhole?O.day(t.failed):O.since(t.failed,ee(t.since))}</small></p>`}
		<details open=${s} onToggle=${te}>
			<summary>${O.details}</summary>
			${r.value&&o`<${ho} group=${e} />`}
		</details>
		${Ct.value===a&&o`
			<${Ze} action="retry" words=${[["job",l],...ne,["retried","false"]]} onClose=${()=>Ct.value=""} />
		`}
	</li>`}var fo=50,ss=30,mo=1e3;function ho({group:e}){let{fingerprint:t,lastAt:n}=e,s=[["failureGroup",t],["limit",fo],...R.value],r=g(async a=>(await b("/job-runs",s,a)).data.map(({run:i})=>i),[t],{newer:[n]});return o`<${x} asked=${r}>
		${a=>o`<${vo} runs=${a} lastAt=${Date.parse(n)} />`}
	<//>`}function vo({runs:e,lastAt:t}){let n=c.failures;if(e.length===0)return o`<${L} title=${n.noRuns} hint=${n.noRunsHint} />`;let s=Math.min(...e.map(({completedAt:i})=>i?Date.parse(i):t)),r=Math.max((t-s)/(ss-1),mo),a=Tn(e,t,ss,r);return o`<div class="stack">
		<${wn} buckets=${a} text=${n.trend(e.length,C(t-s))}
			told=${({all:i})=>n.times(i)} />
		<${le} runs=${e.slice(0,10)} isBrief />
		<${es} runs=${e} />
	</div>`}function rt(e){let t=c.jobs.limitOf,{maxConcurrentRuns:n,concurrencyKey:s,concurrencyLimit:r,rateLimit:a,fairnessKey:i,workerLabels:l}=e,d=Object.entries(l??{}).map(([u,$])=>`${u}=${$}`);return[n&&t.runs(n),s&&t.key(s,r),a&&t.rate(a.limit,C(a.periodMs)),i&&t.turns(i),...d].filter(u=>typeof u=="string")}var bo=["id","slug","version","createdAt","updatedAt","paused"];function os(e){return Object.fromEntries(Object.entries(e).filter(([t])=>!bo.includes(t)))}function as(e,t){let n=[...new Set([...Object.keys(e),...Object.keys(t)])],s=r=>JSON.stringify(e[r])!==JSON.stringify(t[r]);return Object.fromEntries(n.filter(s).map(r=>[r,t[r]??null]))}var go=["job_definition.registered","job_definition.registered_again"];function is(e){let t={};return e.map(({position:s,type:r,occurredAt:a,actor:i,data:l})=>{let d=t;go.includes(r)?t=l.spec??{}:r==="job_definition.revised"&&(t={...t,...l.changes});let u=r==="job_definition.registered"?[]:Nt(d,t),$=r.replace("job_definition.","").replaceAll("_"," "),{version:p,reason:f=null}=l;return{position:s,kind:$,version:p,at:a,by:i,reason:f,changes:u}}).reverse()}var wo=new Set(["id","createdAt","updatedAt","scheduledAt","startedAt","completedAt","logsUrl","idempotencyKey"]);function Nt(e,t){let n=[],s=new Set([...Object.keys(e),...Object.keys(t)]);for(let r of s)wo.has(r)||ls(r,e[r],t[r],n);return n}function ls(e,t,n,s){if(rs(t)&&rs(n)&&Array.isArray(t)===Array.isArray(n)){let r=new Set([...Object.keys(t),...Object.keys(n)]);for(let a of r)ls(`${e}.${a}`,t[a],n[a],s)}else Object.is(t,n)||s.push({path:e,before:t,after:n})}var rs=e=>typeof e=="object"&&e!==null;var yo=["string","integer","number","boolean"];function It(e){let t=ot("",e??{},!0,e??{},0);return t.kind==="json"&&ko(e??{})?{...t,kind:"object",fields:[]}:t}var ko=e=>Object.keys(e).every(t=>["type","title","description","$schema","$defs"].includes(t));function ot(e,t,n,s,r){let{schema:a,isNullable:i}=Ao(Lt(t,s),s),l={name:e,title:e,hint:"",kind:"json",isRequired:n,isNullable:i};if(!a||r>6)return l;let{title:d=e,format:u,type:$}=a,p={...l,title:d,hint:[a.description,...Oo(a)].filter(Boolean).join(" \xB7 "),..."default"in a&&{initial:a.default},isSecret:a.writeOnly===!0||u==="password"},f=a.enum??("const"in a?[a.const]:void 0);if(f)return{...p,kind:"choice",choices:f};let h=a.oneOf??a.anyOf;if(h&&!a.properties)return xo(p,h,s,r);if(h||a.allOf||a.patternProperties||a.prefixItems)return p;if($==="string")return{...p,kind:$,format:u,isLong:!u&&!((a.maxLength??1/0)<=100)};if(yo.includes($))return{...p,kind:$};if(a.properties){let m=a.required??[],w=Object.entries(a.properties).map(([A,O])=>ot(A,O,m.includes(A),s,r+1));return{...p,kind:"object",fields:w.sort((A,O)=>Number(O.isRequired)-Number(A.isRequired))}}return $==="array"&&a.items?{...p,kind:"array",item:{...ot("",a.items,!0,s,r+1),title:""}}:p}function xo(e,t,n,s){let r=t.map((a,i)=>{let l=ot(e.name,a,!0,n,s+1),d=(l.fields??[]).filter(({kind:$,choices:p})=>$==="choice"&&p?.length===1),u=l.title!==e.name&&l.title?l.title:d[0]?.choices?.[0]??So(l);return{...l,title:String(u||i+1)}});return{...e,kind:"union",options:r}}var So=({kind:e,choices:t})=>t?t.map(String).join(", "):e;function Oo(e){let t=(d,u,$)=>d!==void 0&&u!==void 0?`${d} to ${u}${$}`:d!==void 0?`at least ${d}${$}`:u!==void 0?`at most ${u}${$}`:"",{minimum:n,maximum:s,exclusiveMinimum:r,exclusiveMaximum:a,multipleOf:i,pattern:l}=e;return[t(n,s,""),r!==void 0&&`more than ${r}`,a!==void 0&&`less than ${a}`,i!==void 0&&`a multiple of ${i}`,t(e.minLength,e.maxLength," characters"),t(e.minItems,e.maxItems," entries"),l!==void 0&&`as ${l}`].filter(Boolean)}function Lt(e,t,n=0){if(typeof e!="object"||e===null)return{};if(!e.$ref)return e;let r=(e.$ref==="#"?[]:e.$ref.startsWith("#/")?e.$ref.slice(2).split("/"):null)?.reduce((a,i)=>a?.[i.replaceAll("~1","/").replaceAll("~0","~")],t);return!r||n>6?null:{...Lt(r,t,n+1),...e,$ref:void 0}}function Ao(e,t){if(!e)return{schema:null,isNullable:!1};let n=e.anyOf?"anyOf":"oneOf",s=Array.isArray(e.type)?e.type.map(u=>({type:u})):e[n];if(!s)return{schema:e,isNullable:!1};let r=s.filter(({type:u})=>u!=="null"),a=r.length<s.length,{[n]:i,type:l,...d}=e;return r.length===1?{schema:{...Lt(r[0],t),...d},isNullable:a}:{schema:{...d,anyOf:r},isNullable:a}}function Ne(e,t){if(t===void 0)return!0;if(t===null)return e.isNullable||e.kind==="json";switch(e.kind){case"string":return typeof t=="string";case"integer":return Number.isSafeInteger(t);case"number":return typeof t=="number";case"boolean":return typeof t=="boolean";case"choice":return!!e.choices?.some(n=>jo(n,t));case"array":return Array.isArray(t);case"union":return!!e.options?.some(n=>Dt(n,t));case"object":return typeof t=="object"&&!Array.isArray(t);default:return!0}}var jo=(e,t)=>JSON.stringify(e)===JSON.stringify(t);function Dt(e,t){return t===void 0||!Ne(e,t)?!1:e.kind!=="object"||t===null?!0:(e.fields??[]).every(n=>t[n.name]===void 0?!n.isRequired:Ne(n,t[n.name]))}var cs=(e,t)=>Object.keys(t??{}).filter(n=>!e.fields?.some(s=>s.name===n));function at(e){if(e.initial!==void 0)return e.initial;switch(e.kind){case"choice":return e.choices?.[0];case"string":return"";case"integer":case"number":return 0;case"boolean":return!1;case"array":return[];case"object":return it(e);case"union":return e.options?.[0]?at(e.options[0]):null;default:return null}}function it(e){let t=(e.fields??[]).map(n=>n.initial!==void 0?[n.name,n.initial]:n.isRequired&&n.kind==="choice"&&n.choices?.length===1?[n.name,n.choices[0]]:n.isRequired&&n.kind==="object"?[n.name,it(n)]:[n.name,void 0]);return Object.fromEntries(t.filter(([,n])=>n!==void 0))}function Ie(e){return typeof e=="number"?Number.isInteger(e)&&!Number.isSafeInteger(e):typeof e=="object"&&e!==null&&Object.values(e).some(Ie)}function Le(e){try{let t=JSON.parse(e);return typeof t=="object"&&!Array.isArray(t)?t:null}catch{return null}}function us(e,t,n){let{[t]:s,...r}=e;return n===void 0?r:{...e,[t]:n}}function $s(e,t){let n=`/parameters${t}`;return e.filter(s=>s.path===n).map(({message:s})=>s)}function lt({job:e,origin:t,onLaunched:n=()=>{}}){let s=c.jobs,r=v({typed:t?.parameters,raw:null}),a=v(t?To(t,e):{}),i=v({message:"",issues:[]}),l=M({body:"",key:""}),d=$=>r.value=$;return o`<form class="stack launch" onSubmit=${async $=>{$.preventDefault();let p=ct(r.value,e);if(i.value={message:p?"":s.badJson,issues:[]},!!p)try{let f={...Eo(a.value,t),parameters:p},h=JSON.stringify(f);l.current.body!==h&&(l.current={body:h,key:se()});let{data:m}=await N(`/jobs/${e.slug}/run`,f,{"Idempotency-Key":l.current.key});U(s.launched(m.id)),n(),B({view:"run",id:m.id})}catch(f){let{message:h,issues:m=[]}=V(f);i.value={message:f instanceof SyntaxError?s.badContext:h,issues:m},qt($.target)}}} noValidate>
		${t&&o`<p class="quiet">${s.rerunOf} <${I} id=${t.id} /></p>`}
		<${Ft} job=${e} draft=${r.value} onChange=${d}
			issues=${i.value.issues} isWrong=${i.value.message!==""} />
		<${_o} options=${a} issues=${i.value.issues} />
		${i.value.message&&o`<p class="problem" role="alert">${i.value.message}</p>`}
		<div class="actions"><button class="main">${s.launch}</button></div>
	</form>`}var qt=e=>requestAnimationFrame(()=>e.querySelector("[aria-invalid]")?.focus());function ct({typed:e,raw:t},n){return t!==null?Le(t):e??{...it(It(n?.parametersSchema)),...Mo(n?.defaultParameters)}}function Ft({job:e,draft:t,onChange:n,issues:s,isWrong:r}){let a=c.jobs,i=It(e.parametersSchema),l=i.kind==="union"||i.kind==="object"&&i.fields?.length,d=t.raw!==null||!l,u=ct(t,e),$=t.raw??JSON.stringify(u,null,2),p=u===null,f=({target:w})=>{w.checked?n({...t,raw:$}):p||n({typed:u,raw:null})},h=({target:w})=>n({...t,raw:w.value}),m=w=>n({typed:w,raw:null});return o`
		${l&&o`
			<label class="check"><input type="checkbox" checked=${d} disabled=${p} onChange=${f} />${a.raw}</label>
		`}
		${d?o`<textarea rows="10" aria-label=${c.run.parameters} aria-invalid=${r||p?"true":void 0}
				value=${$} onInput=${h}></textarea>`:o`<${i.kind==="union"?vs:fs} field=${i} value=${u} path="" common=${{id:"field"}}
				issues=${s} onChange=${m} />`}
		${Ie(u)&&o`<p class="note" role="status">${a.rounded}</p>`}
	`}function Mo(e){return Object.fromEntries(Object.entries(e??{}).filter(([,t])=>t!==null))}var Pt=["delayMs","timeoutMs","maxAttempts","priority","startDeadlineMs"];function To(e,t){let{retryOf:n,rerunOf:s,...r}=e.context??{},a=(i,l)=>i==null||i===l?"":String(i);return{delayMs:e.scheduledAt>e.createdAt?String(Date.parse(e.scheduledAt)-Date.parse(e.createdAt)):"",timeoutMs:a(e.timeoutMs,t.timeoutMs),maxAttempts:a(e.maxAttempts,t.retryPolicy?.maxAttempts??1),priority:a(e.priority,t.priority??0),startDeadlineMs:a(e.startDeadlineMs,t.startDeadlineMs),context:Object.keys(r).length>0?JSON.stringify(r,null,2):""}}function Eo(e,t){let n=Pt.filter(r=>(e[r]??"")!=="").map(r=>[r,Number(e[r])]),s=e.context?Le(e.context):{};if(s===null)throw new SyntaxError("the context is no JSON object");return t&&(s.rerunOf=t.id),{...Object.fromEntries(n),...Object.keys(s).length>0&&{context:s}}}function _o({options:e,issues:t}){let n=c.jobs.options,s=i=>t.filter(({path:l})=>l===`/${i}`).map(({message:l})=>l),r=i=>({target:l})=>e.value={...e.value,[i]:l.value},a=Object.values(e.value).some(Boolean);return o`<details open=${a||[...Pt,"context"].some(i=>s(i).length>0)}>
		<summary>${n.title}</summary>
		<div class="options">
			${Pt.map(i=>o`<label key=${i}>
				${n[i]}
				<input type="number" value=${e.value[i]??""} onInput=${r(i)}
					aria-invalid=${s(i).length>0?"true":void 0} />
				${s(i).map(l=>o`<span class="problem" key=${l}>${l}</span>`)}
			</label>`)}
			<label>${n.context}<textarea rows="2" value=${e.value.context??""} onInput=${r("context")}></textarea></label>
		</div>
	</details>`}function fs({field:e,value:t,path:n,issues:s,onChange:r}){let a=i=>l=>r(us(t??{},i,l));return o`
		${(e.fields??[]).map(i=>o`<${Ht} key=${i.name} field=${i} value=${t?.[i.name]}
			path=${`${n}/${ds(i.name)}`} issues=${s} onChange=${a(i.name)} />`)}
		${cs(e,t).map(i=>o`<${Ht} key=${i} field=${Ro(i)} value=${t[i]}
			path=${`${n}/${ds(i)}`} issues=${s} onChange=${a(i)} />`)}
	`}var ds=e=>e.replaceAll("~","~0").replaceAll("/","~1"),Ro=e=>({name:e,title:e,hint:c.jobs.unlisted,kind:"json",isRequired:!1,isNullable:!0});function Ht({field:e,value:t,path:n,issues:s,onChange:r}){let a=$s(s,n),i=`field${n}`,l=[e.hint&&`${i}-hint`,a.length>0&&`${i}-wrong`].filter(Boolean).join(" ")||void 0,d={id:i,"aria-describedby":l,"aria-invalid":a.length>0?"true":void 0,"aria-required":e.isRequired},u=Ne(e,t)?e.kind:"json",$=["object","array","union"].includes(u),p=o`<${ms[u]}
		field=${e} value=${t} path=${n} issues=${s} common=${d} onChange=${r} />`,f=o`<bdi>${e.title}</bdi> ${e.isRequired&&o`<small>${c.jobs.required}</small>`}`;return o`<div class="field">
		${$?o`<fieldset aria-describedby=${l}><legend>${f}</legend>${p}</fieldset>`:o`<label for=${i}>${f}</label>${p}`}
		${e.hint&&o`<small id=${`${i}-hint`}>${e.hint}</small>`}
		${a.length>0&&o`<p class="problem" id=${`${i}-wrong`}>${a.join("; ")}</p>`}
	</div>`}var ms={string:No,integer:ps,number:ps,boolean:Io,choice:hs,object:fs,array:Lo,union:vs,json:Do},Co={date:"date",email:"email",uri:"url"};function No({field:e,value:t,common:n,onChange:s}){let r=({target:i})=>s(i.value===""&&!e.isRequired?void 0:i.value);if(e.isSecret)return o`<input ...${n} type="password" autocomplete="new-password" value=${t??""} onInput=${r} />`;if(e.isLong||/[\r\n]/.test(t??""))return o`<textarea ...${n} class="growing" rows="1" value=${t??""} onInput=${r}></textarea>`;if(e.format==="date-time")return o`<${Bt} value=${t} common=${n} set=${r} onChange=${s} />`;let a=e.format!=="date"||/^(\d{4}-\d\d-\d\d)?$/.test(t??"");return o`<input
		...${n} type=${a?Co[e.format??""]??"text":"text"} value=${t??""} onInput=${r} />`}function Bt({value:e,common:t,set:n,onChange:s}){let r=({target:a})=>a.value&&s(new Date(a.value).toISOString());return o`<div class="group">
		<input ...${t} value=${e??""} placeholder="2026-12-24T18:00:00Z" onInput=${n} />
		<input type="datetime-local" step="1" aria-label=${c.jobs.pick} title=${c.jobs.pick} onChange=${r} />
	</div>`}function ps({field:e,value:t,common:n,onChange:s}){let r=({target:a})=>s(a.value===""?void 0:a.valueAsNumber);return o`<input
		...${n} type="number" step=${e.kind==="integer"?1:"any"} value=${t??""} onInput=${r} />`}function Io(e){let{field:t,value:n,common:s,onChange:r}=e;return n==null?o`<${hs} ...${e} field=${{...t,choices:[!0,!1]}} />`:o`<input ...${s} type="checkbox" checked=${n} onChange=${({target:i})=>r(i.checked)} />`}function hs({field:{choices:e=[],isRequired:t},value:n,common:s,onChange:r}){let a=e.findIndex(l=>JSON.stringify(l)===JSON.stringify(n));return o`<select ...${s} value=${a} onChange=${({target:l})=>r(l.value==="-1"?void 0:e[Number(l.value)])}>
		${(a<0||!t)&&o`<option value="-1">–</option>`}
		${e.map((l,d)=>o`
			<option key=${d} value=${d}>${typeof l=="string"?l:JSON.stringify(l)}</option>
		`)}
	</select>`}function Lo({field:e,value:t,path:n,issues:s,onChange:r}){let a=e.item,i=t??[],l=(d,u)=>r(i.map(($,p)=>p===d?u:$));return o`${i.map((d,u)=>o`<div class="array-item" key=${u}>
			<${Ht}
				field=${{...a,title:`${u+1}`}} value=${d} path=${`${n}/${u}`}
				issues=${s} onChange=${$=>l(u,$??null)} />
			<button type="button" class="plain" onClick=${()=>r(i.filter(($,p)=>p!==u))}>
				${c.jobs.remove}
			</button>
		</div>`)}
		<button type="button" onClick=${()=>r([...i,at(a)])}>${c.jobs.item}</button>`}function vs({field:e,value:t,path:n,issues:s,common:r,onChange:a}){let{options:i=[]}=e,l=i.findIndex(f=>Dt(f,t)),d=v(l),u=l<0?d.value:l,$=i[u],p=({target:f})=>{d.value=Number(f.value),a(d.value<0?void 0:at(i[d.value]))};return o`
		<select aria-label=${`${e.title} ${c.jobs.kind}`.trim()} value=${u} onChange=${p}>
			${(u<0||!e.isRequired)&&o`<option value="-1">–</option>`}
			${i.map(({title:f},h)=>o`<option key=${h} value=${h}>${f}</option>`)}
		</select>
		${$&&o`<${ms[Ne($,t)?$.kind:"json"]} key=${u}
			field=${$} value=${t} path=${n} issues=${s} common=${r} onChange=${a} />`}
	`}function Do({value:e,common:t,onChange:n}){return o`<textarea ...${t} rows="3" onChange=${({target:r})=>{try{n(JSON.parse(r.value))}catch{n(r.value===""?void 0:r.value)}}}
		defaultValue=${e===void 0?"":JSON.stringify(e,null,2)}></textarea>`}var Po=50,bs={runs:gs,launch:Fo,definition:Jo,versions:Ko,revise:Bo};function Ho(){let{id:e}=T.value,t=g(async r=>(await b(`/jobs/${e}`,[["limit",Po],...R.value],r)).data,[e]),{job:n,runs:s=[]}=t.answer??{};return P("jobs",t.again,r=>n!==void 0&&r.has(n.slug)),P("runs",t.again,r=>[...r.values()].some(({slug:a,createdAt:i,id:l})=>a===n?.slug&&i>=(s[0]?.createdAt??"")&&s.every(d=>d.id!==l))),o`<${x} asked=${t} lines=${8}>
		${r=>o`<${qo} job=${r.job} runs=${r.runs} again=${t.again} />`}
	<//>`}function qo({job:e,runs:t,again:n}){let{tab:s}=T.value,r=bs[s]??gs;return o`<div class="screen-head">
			<div>
				<h1>${e.name}</h1>
				<p class="quiet">
					<span class="id">${e.slug}</span> · ${c.jobs.columns.version.toLowerCase()} ${e.version}
				</p>
			</div>
			${j.value&&o`<div class="actions">
				<${We} paused=${e.paused} name=${e.slug} path=${`/jobs/${e.slug}`} text=${c.jobs.pauseText} again=${n} />
				${s!=="launch"&&o`<button class="main" onClick=${()=>B({view:"job",id:e.slug,tab:"launch"})}>
					${c.jobs.launch}
				</button>`}
			</div>`}
		</div>
		${e.metadata?.description&&o`<p>${e.metadata.description}</p>`}
		${e.paused&&o`
			<p class="note">
				<${S} status="paused" /> <${y} at=${e.paused.at} /> · <bdi>${e.paused.by}</bdi>
				${e.paused.reason&&o` · <bdi>${e.paused.reason}</bdi>`}
			</p>
		`}
		<${Zo} job=${e} />
		<${Ue} tabs=${c.jobs.tabs} current=${bs[s]?s:"runs"} />
		<${r} job=${e} runs=${t} again=${n} />`}function gs({job:e,runs:t}){let n=Z(t,"runs",({id:s})=>s);return o`<${Cn} job=${e.slug} />
		<section class="card stack">
			<h2>${c.jobs.durations}</h2>
			<${Wo} runs=${n} />
		</section>
		<div class="screen-head">
			<h2>${c.jobs.runs}</h2>
			<div class="actions"><${k} to=${{view:"runs",words:[["job",e.slug]]}}>${c.runs.title}<//></div>
		</div>
		<${le} runs=${n} isOfOneJob />`}function Fo({job:e}){return j.value?o`<section class="card"><${lt} job=${e} key=${e.slug} /></section>`:o`<${we} />`}function Bo({job:e,again:t}){return o`<${zo} job=${e} again=${t} key=${e.version} />`}function Jo({job:e}){let t=rt(e);return o`<dl class="facts card">
			<div><dt>${c.jobs.entryPoint}</dt><dd><code>${e.entryPoint}</code></dd></div>
			<div><dt>${c.jobs.limits}</dt><dd>${t.join(", ")||c.none}</dd></div>
			<div><dt>${c.run.facts.timeout}</dt><dd>${C(e.timeoutMs)}</dd></div>
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
		</div>`}var Jt=1e3,Ut=100,Uo=2;function Wo({runs:e}){let t=En(e);if(t.length<Uo)return o`<p class="quiet">${c.jobs.needMore}</p>`;let[n,s,r]=[.5,.95,.99].map(a=>C(_n(t,a)));return o`<p>${c.jobs.percentiles(n,s,r)}</p>
		<${Vo} ...${Rn(e)} />`}function Vo({points:e,first:t,last:n,longest:s}){return o`<figure class="plot" aria-hidden="true">
		<div class="plot-scale"><span>${C(s)}</span><span>${C(s/2)}</span><span>0</span></div>
		<svg viewBox="0 0 ${Jt} ${Ut}" preserveAspectRatio="none">
			${[0,.5,1].map(r=>o`
				<path class="rule" key=${r} d=${`M0 ${r*Ut}H${Jt}`} vector-effect="non-scaling-stroke" />
			`)}
			${e.map(({run:r,x:a,y:i})=>o`<path key=${r.id} class="point status-${r.status}"
				d=${`M${a*Jt} ${(1-i)*Ut}h0.01`}>
				<title>${C(r.durationMs)} · ${c.status(r.status)} · ${ee(r.completedAt??"")}</title>
			</path>`)}
		</svg>
		<figcaption><span>${ee(t)}</span><span>${ee(n)}</span></figcaption>
	</figure>`}var Go=1e3;function Ko({job:e}){let t=[["subject",e.id]],n=g(async s=>is((await de("/events",t,s,Go)).filter(Te)),[e.id],{newer:[e.version,e.paused?.at]});return o`<${x} asked=${n}>
		${s=>o`<ol class="events">
			${s.map(r=>o`<${Yo} key=${r.position} change=${r} />`)}
		</ol>`}
	<//>`}function Yo({change:e}){let{kind:t,version:n,at:s,by:r,reason:a,changes:i}=e;return o`<li class="card">
		<header>
			<h2>${t} ${n&&c.jobs.versionOf(n)}</h2>
			<span class="quiet"><${y} at=${s} full /> · <bdi>${r}</bdi></span>
		</header>
		${a&&o`<p>${a}</p>`}
		${i.length>0&&o`<${Je} found=${i} />`}
	</li>`}function zo({job:e,again:t}){let n=os(e),s=v(JSON.stringify(n,null,2)),r=v({message:"",issues:[]}),a=c.jobs;if(!j.value)return o`<${we} />`;let i=async u=>{u.preventDefault();try{let $=as(n,JSON.parse(s.value));if(Object.keys($).length===0){r.value={message:a.unchanged,issues:[]};return}let{data:p}=await ae("PATCH",`/jobs/${e.slug}`,{...$,version:e.version+1});U(a.revised(p.version)),t(),B({view:"job",id:e.slug,tab:"versions"})}catch($){let{message:p,issues:f=[]}=V($);r.value={message:$ instanceof SyntaxError?a.badJson:p,issues:f}}},{message:l,issues:d}=r.value;return o`<form class="card stack" onSubmit=${i}>
		<p class="quiet">${a.revisionHint}</p>
		<textarea rows="22" aria-label=${a.definition}
			aria-invalid=${l?"true":void 0} aria-describedby=${l?"revision-problem":void 0}
			value=${s.value} onInput=${H(s)}></textarea>
		${Ie(Le(s.value))&&o`<p class="note" role="status">${a.rounded}</p>`}
		${l&&o`<div id="revision-problem" class="problem" role="alert">
			<p>${l}</p>
			${d.length>1&&o`<ul>${d.map(({path:u,message:$})=>o`<li key=${u+$}><code>${u}</code> ${$}</li>`)}</ul>`}
		</div>`}
		<div class="actions"><button class="main">${a.revise}</button></div>
	</form>`}function Zo({job:e}){let{slug:t}=e,s=g(r=>b("/job-runs/counts",[["job",t],...R.value],r),[t]);return P("runs",s.again,r=>[...r.values()].some(a=>a.slug===t)),o`<${x} asked=${s} lines=${1}>${({data:r})=>o`<${Xo} counts=${r} job=${e} />`}<//>`}function Xo({counts:e,job:t}){let{slug:n,maxConcurrentRuns:s}=t,r=s&&c.jobs.used(e.running,s),a=i=>[["job",n],["status",i]];return o`<ul class="standing">
		${Ge.map(i=>o`<li key=${i}>
			<${k} to=${{view:"runs",words:a(i)}}><${S} status=${i} /><//> ${Se(e[i])}
		</li>`)}
		${s&&o`<li>
			<meter min="0" max=${s} value=${e.running} aria-label=${r}></meter> <small>${r}</small>
		</li>`}
	</ul>`}function Qo(){let e=g(ea,[]);return P("jobs",e.again),P("deletedJobs",e.again),P("failures",e.again),o`<div class="screen-head"><h1>${c.jobs.title}</h1></div>
		<${x} asked=${e}>${t=>o`<${ta} ...${t} />`}<//>`}async function ea(e){let{from:t,to:n,bucketMs:s}=jn("24h",Ee.value),r=[["from",t],["to",n],["bucketMs",s],["groupBy","job"],...R.value],[a,i,l]=await Promise.all([b("/jobs",R.value,e),de("/failures",[["status","open"],...R.value],e),b("/job-runs/statistics",r,e)]),d=new Map;for(let{job:$}of i)d.set($,(d.get($)??0)+1);let u=new Map(In(l.data.buckets,l.meta).map($=>[$.slug,$]));return{jobs:a.data,failing:d,trends:u}}function ta({jobs:e,failing:t,trends:n}){let s=({slug:i})=>n.get(i.toLowerCase()),r=c.jobs.columns;if(e.length===0)return o`<${L} title=${c.jobs.empty} hint=${c.jobs.emptyHint} command=${c.jobs.emptyCommand} />`;let a=[{name:"first",title:r.job,cell:i=>o`<${Y} slug=${i.slug}><strong>${i.name}</strong><//>${" "}
					<small class="id">${i.slug}</small>`},{name:"state",title:r.health,cell:i=>o`<${ra} job=${i} failing=${t.get(i.slug)??0} />`},{name:"day",title:r.day,cell:i=>o`<${sa} trend=${s(i)} />`},{name:"took",title:r.took,cell:i=>na(s(i))},{name:"version",title:r.version,cell:({version:i})=>i},{name:"limits",title:r.limits,cell:i=>o`<small>${rt(i).join(", ")||"\u2013"}</small>`},{name:"updated",title:r.updated,cell:({updatedAt:i})=>o`<${y} at=${i} />`}];return o`<${z} label=${c.jobs.title} rows=${e} keyOf=${({slug:i})=>i} columns=${a} />`}var ws=6e4,na=e=>e&&e.ended>0?Nn(e.buckets,"durationMs").join(" / "):"\u2013";function sa({trend:e}){if(!e||e.ended===0)return o`<span class="quiet">–</span>`;let{buckets:t,ended:n,failed:s,worse:r}=e,a=t.findLast(l=>l.ended>0),i=a&&C(Math.ceil((Ee.value-Date.parse(a.at))/ws)*ws);return o`<span class="day"><${ze} buckets=${t} />
		<small>${c.trends.day(n,s)}<br />${i&&c.trends.lastWithin(i)}</small></span>
		${r&&o`<strong class="worse">${c.trends.worse[r.what](r.factor,ee(r.since))}</strong>`}`}function ra({job:e,failing:t}){return e.paused?o`<${S} status="paused" />`:t===0?o`<${S} status="ready" label=${c.schedules.active} />`:o`<${k} to=${{view:"failures",words:[["job",e.slug]]}}>
		<${S} status="failed" label=${c.jobs.failing(t)}
	/><//>`}var ys=(e,t)=>e===""&&t.after===void 0;function ks({next:e,last:t},n){return e!==null&&n-t>500?n-30:t}function xs(e,t,n,s){let r=t.next===null?Math.max(t.last,s):t.last,a=n>Math.max(e.last,e.next??0)?[]:e.events;return{next:t.next,last:r,events:[...a,...t.events].slice(-500)}}var aa=50,ia=1e3;function la(){let{words:e}=T.value,t=Object.fromEntries(e),n=v(!0),s=ys(_.value,t),r=s&&n.value,a=t.after??(s?Math.max(Ot.peek()-30,0):0),i=g(l=>Ss({...t,after:a},l),[JSON.stringify(e),Ot.value>0]);return o`<div class="screen-head">
			<h1>${c.log.title}</h1>
			<div class="actions">
				<label class="check">
					<input type="checkbox" checked=${r} disabled=${!s}
						onChange=${({target:l})=>n.value=l.checked} />${c.log.live}</label>
			</div>
		</div>
		<${pa} given=${t} key=${JSON.stringify(e)} />
		<${x} asked=${i}>
			${l=>o`<${ua} page=${l} given=${t} asked=${i} isFollowing=${r} />`}
		<//>
		<section class="card stack">
			<${ca} />
			<p class="quiet">${c.log.verify}</p>
			<${hn} text=${c.log.verifyCommand} />
		</section>`}function ca(){let{answer:e}=g(t=>b("/events/seal",[],t),[],{everyMs:5e3});return e&&o`<p>${c.log.sealed(e.data)}</p>`}async function Ss(e,t){let n=cn(_.value),s=_.value&&n!==null?[["until",new Date(n).toISOString()]]:[],{data:r,meta:a}=await b("/events",[...Object.entries(e),["limit",aa],...s],t),l=_.value!==""&&n===null?r.filter(({position:u})=>u<=Number(_.value)):r,d=l.length<r.length;return{events:l,next:d?null:a.next,last:r.at(-1)?.position??Number(e.after)}}function ua({page:e,given:t,asked:n,isFollowing:s}){let r=async u=>{let $=xe.value.position,p=await Ss({...t,after:u});n.set(e,xs(e,p,u,$))},{position:a}=xe.value,i=M(0),l=v(0);if(F(()=>{if(!s||a<=e.last||i.current===null)return;let $=setTimeout(()=>{i.current=null,r(ks(e,a)).catch(()=>{}).finally(()=>{i.current=Date.now(),l.value+=1})},i.current+ia-Date.now());return()=>clearTimeout($)},[s,a,e,l.value]),e.events.length===0)return o`<${L} title=${c.log.empty} hint=${c.log.emptyHint} />`;let d=s?[...e.events].reverse():e.events;return o`<ol class="log-events">
			${d.map(u=>o`<${$a} key=${u.position} event=${u} />`)}
		</ol>
		${e.next!==null&&!s&&o`
			<${fn} text=${c.log.newer} load=${()=>r(e.next??e.last)} />
		`}`}function $a({event:e}){let{position:t,type:n,subject:s,occurredAt:r,actor:a,correlationId:i}=e,l=v(!1);return o`<li>
		<details onToggle=${({target:u})=>l.value=u.open}>
			<summary>
				<span class="position">${t}</span> <code class="event-type">${n}</code>
				<small class="id">${s.id}</small> <small><bdi>${a}</bdi> · <${y} at=${r} /></small>
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
	</li>`}var Wt=["type","subject","actor","after"],da={type:"job_run.started",subject:"",actor:"worker:\u2026",after:"0"};function pa({given:e}){return o`<form class="group log-filter" role="search" onSubmit=${n=>{n.preventDefault();let s=new FormData(n.target),a=Wt.map(i=>[i,String(s.get(i)).trim()]).filter(([,i])=>i!=="");J({words:e.correlation?[...a,["correlation",e.correlation]]:a})}}>
		${Wt.map(n=>o`<label key=${n}>
			${c.log[n]}
			<input name=${n} defaultValue=${e[n]??""} placeholder=${da[n]}
				data-filter=${n===Wt[0]} />
		</label>`)}
		<button>${c.log.apply}</button>
		${e.correlation&&o`<span class="tag">correlation ${e.correlation}</span>`}
	</form>`}var fa=e=>JSON.stringify({parameters:e.parameters},null,2),ut=e=>`'${e.replaceAll("'","'\\''")}'`;function Gt(e){let{origin:t,pathname:n}=new URL(".",e);return t+n.slice(0,-1)}function Os(e,t,n){return[`curl -X POST ${ut(`${Gt(t)}/jobs/${e.slug}/run`)}`,"-H 'Content-Type: application/json'",...n?['-H "Authorization: Bearer $APPHUB_TOKEN"']:[],`-d ${ut(fa(e))}`].join(` \\
  `)}function As(e,t){let n=`apphub-jobs run ${e.slug} --url ${ut(Gt(t))} --params -`;return`printf %s ${ut(JSON.stringify(e.parameters))} |
  ${n}`}function js(e,t){return["from apphub_jobs import Client","",`with Client("${Gt(t)}") as client:`,`    run = client.launch("${e.slug}", ${Vt(e.parameters)})`,"    print(run.result())"].join(`
`)}function Vt(e){return e===null?"None":e===!0?"True":e===!1?"False":Array.isArray(e)?`[${e.map(Vt).join(", ")}]`:typeof e=="object"&&e?`{${Object.entries(e).map(([t,n])=>`${JSON.stringify(t)}: ${Vt(n)}`).join(", ")}}`:JSON.stringify(e)}function Ms(e){let t=new Map,n=new Map,s=[];for(let{eventId:r,type:a,subject:i,occurredAt:l,causationId:d,data:u}of e){let $=ma(a),p=t.get(i.id);if(p)p.last=$;else{let f=n.get(d),h=f?.type??"";p={...i,app:u?.repository_id,at:l,last:$,cause:h,children:[]},t.set(i.id,p),(f?.subject.children??s).push(p)}n.set(r,{subject:p,type:$})}return s}var ma=e=>e.slice(e.lastIndexOf(".")+1).replaceAll("_"," ");var ha=/(^<|[\\/](site-packages|dist-packages|python3[^\\/]*|apphub_jobs)[\\/])/,va=/^ {2}File "(?<file>[^"]+)", line (?<line>\d+), in (?<name>.+)$/;function Ts(e){let t=e.split(`
`);return t.flatMap((s,r)=>{let a=va.exec(s)?.groups;if(!a||ha.test(a.file))return[];let i=t[r+1]??"",l=i.startsWith("    ")?i.trim():"";return[{file:a.file,line:Number(a.line),name:a.name,code:l}]}).reverse()}var Es=e=>e.split(/[\\/]/).slice(-2).join("/");var $t=["failed","expired"],ba=50,ga=5e3;function _s({run:e,related:t,worker:n}){let s=e.context?.stack;return o`<section class="card stack failure" aria-label=${c.run.failed.title}>
		<h2>${c.run.failed.title} <code class="quiet">${e.failureReason}</code></h2>
		${e.errorMessage&&o`<p class="error-message" tabindex="0"><code>${e.errorMessage}</code></p>`}
		<div class="cards">
			${typeof s=="string"&&o`<${wa} stack=${s} />`}
			<${Sa} run=${e} related=${t} worker=${n} />
		</div>
		<${ya} run=${e} />
		<div>
			<h3>${c.run.parameters}</h3>
			<${K} value=${e.parameters} label=${c.run.parameters} />
		</div>
	</section>`}function wa({stack:e}){let t=c.run.failed,n=Ts(e);return o`<div class="stack">
		${n.length>0&&o`<h3>${t.own}</h3>
			<ol class="frames">
				${n.map(({file:s,line:r,name:a,code:i},l)=>o`<li key=${l}>
					<span title=${s}>${Es(s)}:${r}</span> <span class="quiet">${t.inside(a)}</span>
					${i&&o`<pre><code>${i}</code></pre>`}
				</li>`)}
			</ol>
		`}
		<details open=${n.length===0}>
			<summary>${t.traceback}</summary>
			<pre class="json" tabindex="0"><code>${e}</code></pre>
		</details>
	</div>`}function ya({run:e}){let t=c.run.failed,n=g(s=>xa(e,s),[e.id,e.attempt]);return o`<div>
		<h3>${t.lastLines} · <${k} to=${{view:"run",id:e.id,tab:"log"}}>${t.wholeLog}<//></h3>
		<${x} asked=${n} lines=${3}>
			${s=>s?o`<${ka} lines=${s} />`:o`<p class="quiet">${c.run.log.empty}</p>`}
		<//>
	</div>`}function ka({lines:e}){let t=M(null);return F(()=>{t.current?.scrollTo(0,t.current.scrollHeight)},[e]),o`<pre class="json" tabindex="0" ref=${t}><code><${Xn} text=${e} /></code></pre>`}async function xa({id:e,attempt:t},n){if(t===0)return"";let s=[],r=[["attempt",t],["last",ba]];for await(let{piece:a}of be(`/job-runs/${e}/logs`,r,n))s.push(a);return s.join("").trimEnd()}var Kt=({worker:e})=>o`<${k} to=${{view:"runs",words:[["worker",e]]}}><code>${e}</code><//>`;function Sa({run:e,related:t,worker:n}){let s=c.run.failed;return o`<div class="stack">
		${n&&o`<p>${c.run.worker}: <${Kt} worker=${n} /></p>`}
		${_.value?o`<p class="note">${c.past.notHere}</p>`:o`<${Oa} related=${t} />`}
		<p>
			<${k} to=${{view:"runs",words:[["job",e.slug],["status","failed,expired"]]}}>${s.others(e.slug)}<//>
		</p>
	</div>`}function Oa({related:e}){let t=c.run.failed;return o`<${x} asked=${e} lines=${2}>${({failureGroup:s,retries:r})=>o`
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
	</ul>`,Aa={failureGroup:null,retries:[],bulkOperation:null};function Rs(e,t){let n=e.completedAt!==null,s=_.value===""&&(n||e.context?.retryOf!==void 0);return g(async r=>s?(await b(`/job-runs/${e.id}/related`,[],r)).data:Aa,[e.id,s],{newer:[t],everyMs:n?ga:void 0})}var dt={"job_run.succeeded":"succeeded","job_run.attempt_failed":"failed","job_run.attempt_timed_out":"timed_out","job_run.attempt_lost":"lost","job_run.handed_back":"handed_back","job_run.canceled":"canceled","job_run.start_deadline_passed":"expired"},Cs=["job_run.started",...Object.keys(dt)];function Ns(e,t){let n=[],s=null,r=(a,i)=>{s&&(n.push({...s,number:n.length,to:a,outcome:i,isOpen:!1}),s=null)};for(let{type:a,data:i,occurredAt:l}of e){let d=Date.parse(l);a==="job_run.requested"?s={kind:"wait",from:d}:a==="job_run.started"?(r(d),s={kind:"run",from:d,attempt:i.attempt,worker:i.worker_id}):dt[a]&&(r(d,dt[a]),i.retry_at?s={kind:"backoff",from:d}:a==="job_run.handed_back"&&(s={kind:"wait",from:d}))}return s&&n.push({...s,number:n.length,to:Math.max(t,s.from),isOpen:!0}),n}var ja=.6,Ma=.02;function Is(e){let t=({from:u,to:$})=>Math.max($-u,1),n=e.filter(({kind:u})=>u==="run").reduce((u,$)=>u+t($),0),s=n>0?n*ja:1/0,r=e.map(u=>{let $=u.kind!=="run"&&t(u)>s;return{...u,isCollapsed:$,drawn:$?s:t(u)}}),a=r.reduce((u,$)=>u+$.drawn,0),i=r.map(u=>Math.max(u.drawn/a,Ma)),l=i.reduce((u,$)=>u+$,0),d=0;return r.map(({drawn:u,...$},p)=>{let f=i[p]/l,h={...$,start:d,width:f};return d+=f,h})}function Ls(e){let t=[];for(let{type:n,data:s}of e){let r=Ta(n,s,t.at(-1));r&&r!==t.at(-1)&&t.push(r)}return t}function Ta(e,t,n){return e==="job_run.requested"||e==="job_run.handed_back"?"pending":e==="job_run.started"?"running":e==="job_run.succeeded"?"succeeded":e==="job_run.canceled"?"canceled":e==="job_run.start_deadline_passed"?"expired":dt[e]?t.retry_at?"pending":e==="job_run.attempt_timed_out"?"expired":"failed":n}function Qt({run:e,events:t,related:n}){let s=e.completedAt!==null,r=Ns(t,s?0:Ee.value),a=r.filter(({kind:l})=>l==="run"),i=$t.includes(e.status);return o`
		${i&&o`<${_s} run=${e} related=${n} worker=${a.at(-1)?.worker} />`}
		<div class="story">
			<div class="stack">
				${!i&&o`<${Ha} run=${e} />`}
				<section class="card stack">
					<h2>${c.run.timeline}</h2>
					<${_a} segments=${r} />
					<${Ea} attempts=${a} events=${t} known=${i?e.errorMessage:null} />
				</section>
			</div>
			<section class="card"><h2>${c.run.states}</h2><${Na} path=${Ls(t)} /></section>
		</div>
	`}function Ea({attempts:e,events:t,known:n}){if(e.length===0)return o`<p class="quiet">${c.run.noAttempts}</p>`;let s=c.run,r=new Map;for(let{data:{error_message:i},occurredAt:l}of t)i&&i!==n&&r.set(Date.parse(l),i);let a=[{name:"first",title:s.attempts,cell:({attempt:i=0})=>s.attempt(i)},{name:"status",title:c.runs.columns.status,cell:({isOpen:i,outcome:l})=>o`<${S} status=${i?"running":l} />`},{name:"took",title:c.runs.columns.took,cell:({from:i,to:l})=>C(l-i)},{name:"started",title:s.facts.started,cell:({from:i})=>o`<${y} at=${new Date(i).toISOString()} />`},{name:"worker",title:s.worker,cell:({worker:i})=>o`<${Kt} worker=${i} />`},{name:"why",title:c.runs.columns.details,cell:({to:i,isOpen:l})=>l?"":r.get(i)}];return o`<${z} label=${s.attempts} rows=${e} keyOf=${({number:i})=>i} columns=${a} />`}var zt=1e3,De=44;function _a({segments:e}){if(e.length===0)return null;let t=Is(e),n=e[0].from,s=e[e.length-1].to;return o`<figure class="timeline">
		<svg viewBox="0 0 ${zt} ${De}" preserveAspectRatio="none" role="img"
			aria-label=${t.map(Zt).join("; ")}>
			${t.map(r=>o`<${Ra} key=${r.number} place=${r} />`)}
		</svg>
		<ul class="timeline-legend" aria-hidden="true">
			${t.map(r=>o`
				<li key=${r.number}><span class="swatch ${Ds(r)}"></span>${Zt(r)}</li>
			`)}
		</ul>
		<figcaption>
			<span>${At(n)}</span><span>${At(s)}</span>
		</figcaption>
	</figure>`}function Ra({place:e}){let{kind:t,start:n,width:s,isCollapsed:r}=e,a=t==="run"?De-8:12,i=n*zt,l=Math.max(s*zt-1,2);return o`<g class="segment ${Ds(e)}">
		<title>${Zt(e)}</title>
		<rect x=${i} y=${(De-a)/2} width=${l} height=${a} />
		${r&&o`
			<path d=${`M${i+l/2-6} 4L${i+l/2-2} ${De-4}M${i+l/2+2} 4L${i+l/2+6} ${De-4}`} />
		`}
	</g>`}function Ds({kind:e,outcome:t="",isOpen:n}){return e!=="run"?`segment-${e}`:`segment-run status-${n?"running":Re(t)}`}function Zt({kind:e,attempt:t=0,from:n,to:s,isCollapsed:r}){let a=C(s-n);if(e==="run")return`${c.run.attempt(t)} ${c.run.ran(a)}`;let i=c.run.waited(a);return r?c.run.collapsed(i):i}var pt={pending:[62,90],running:[212,90],succeeded:[390,24],failed:[390,68],expired:[390,112],canceled:[390,156]},ce=104,Xt=30,Ca=[["pending","running"],["running","pending"],["running","succeeded"],["running","failed"],["running","expired"],["running","canceled"],["pending","canceled"],["pending","expired"]];function Na({path:e}){let t=new Map;for(let n=1;n<e.length;n+=1){let s=`${e[n-1]} ${e[n]}`;t.set(s,(t.get(s)??0)+1)}return o`<svg class="diagram" viewBox="0 0 452 184" role="img" aria-label=${e.join(", ")}>
		<defs>
			${["","taken-"].map(n=>o`<marker key=${n} id=${`${n}arrow`} class=${`${n}arrow`}
				viewBox="0 0 6 6" refX="6" refY="3" markerWidth="6" markerHeight="6" orient="auto">
				<path d="M0 0L6 3L0 6z" />
			</marker>`)}
		</defs>
		${Ca.map(([n,s])=>o`
			<${La} key=${`${n} ${s}`} from=${n} to=${s} times=${t.get(`${n} ${s}`)??0} />
		`)}
		${Object.keys(pt).map(n=>o`
			<${Ia} key=${n} status=${n} wasThere=${e.includes(n)} isThere=${e.at(-1)===n} />
		`)}
	</svg>`}function Ia({status:e,wasThere:t,isThere:n}){let[s,r]=pt[e];return o`<g class="place status-${e} ${n?"is-there":t?"was-there":""}" aria-hidden="true">
		<rect x=${s-ce/2} y=${r-Xt/2} width=${ce} height=${Xt} rx="15" />
		<text x=${s} y=${r+4.5}>${e}</text>
	</g>`}function La({from:e,to:t,times:n}){let s=Da(e,t);return o`<g class="way ${n>0?"was-taken":""}" aria-hidden="true">
		<path d=${s} marker-end=${n>0?"url(#taken-arrow)":"url(#arrow)"} />
		${n>1&&o`<text x="137" y=${e==="pending"?76:114}>${n} ×</text>`}
	</g>`}function Da(e,t){let[n,s]=pt[e],[r,a]=pt[t];return e==="pending"&&t==="running"?`M${n+ce/2} ${s-5}H${r-ce/2}`:t==="pending"?`M${n-ce/2} ${s+5}H${r+ce/2}`:e==="pending"?`M${n} ${s+Xt/2}Q${n} ${a+8} ${n+80} ${a+8}H${r-ce/2}`:`M${n+ce/2} ${s}C${n+90} ${s} ${r-90} ${a} ${r-ce/2} ${a}`}var Pa=3e3;function Ha({run:e}){let t=e.status==="pending"?Pa:void 0,n=g(s=>b(`/job-runs/${e.id}/explain`,R.value,s),[e.id],{newer:[Ae(e.updatedAt)],everyMs:t});return o`<section class="card explanation">
		<h2>${e.completedAt?c.run.outcome:c.run.explain}</h2>
		<${x} asked=${n} lines=${2}>${({data:s})=>o`<${qa} explanation=${s} />`}<//>
	</section>`}function qa({explanation:e}){let{summary:t,reasons:n,nextChangeAt:s,unknown:r}=e;return o`
		<p class="summary">${t}</p>
		${n.length>0&&o`<ul class="stack">
			${n.map(a=>o`<${Fa} key=${a.code} reason=${a} />`)}
		</ul>`}
		${s&&o`<p class="quiet">${c.run.until} <${y} at=${s} /></p>`}
		${r.map(a=>o`<p class="note" key=${a}>${a}</p>`)}
	`}function Fa({reason:e}){let{code:t,message:n,binding:s,since:r}=e;return o`<li class=${s?"reason is-binding":"reason"}>
		${s&&o`<${G} name="next" label=${c.run.binding} />`}
		<span>${n} <code class="quiet">${t}</code> ${r&&o`<small><${y} at=${r} /></small>`}</span>
	</li>`}var Ps={story:Qt,log:Zn,events:ni,causes:ri,data:ii};function Ba(){let{id:e}=T.value,t=g(async n=>(await b(`/job-runs/${e}`,R.value,n)).data,[e]);return o`<${x} asked=${t} lines=${8}>
		${({run:n,job:s})=>o`<${Ja} asked=${n} job=${s} />`}
	<//>`}function Ja({asked:e,job:t}){let n=oe(()=>[e],[e]),[s]=Z(n,"runs",({id:$})=>$),r=Ae(s.updatedAt),a=Rs(s,r),i=g($=>Wa(s.id,$),[s.id],{newer:[r]}),{tab:l}=T.value,d=M(s.status);F(()=>{d.current!==s.status&&U(c.run.isNow(s.status)),d.current=s.status},[s.status]);let u=Ps[l]??Qt;return o`
		<div class="screen-head">
			<div>
				<p class="quiet"><${Y} slug=${s.slug}>${t.name}<//></p>
				<h1 class="run-title"><${S} status=${s.status} /> <span class="id">${s.id}</span></h1>
			</div>
			<${za} run=${s} />
		</div>
		<${Ua} run=${s} />
		${s.errorMessage&&!$t.includes(s.status)&&o`
			<p class="error-message" tabindex="0"><code>${s.errorMessage}</code></p>
		`}
		<${Va} run=${s} related=${a.answer} />
		<${Ue} tabs=${c.run.tabs} current=${Ps[l]?l:"story"} />
		<${x} asked=${i}>
			${$=>o`<${u} run=${s} events=${$} related=${a} />`}
		<//>
	`}function Ua({run:e}){let t=e.metrics?.progress;return e.status!=="running"||typeof t!="number"?null:o`<progress max="1" value=${t} aria-label=${c.run.progress}></progress>`}async function Wa(e,t){let{data:n,meta:s}=await b(`/job-runs/${e}/events`,[["limit",ft]],t),r=[["subject",e],["type",Cs.join()],["after",n.at(-1)?.position],["limit",ft]],a=s.nextCursor?(await b("/events",r,t)).data:[];return[...n,...a].filter(Te)}function Va({run:e,related:t}){let n=c.run.facts,s=a=>o`<${y} at=${a} full />`,r=[[n.created,s(e.createdAt)],e.scheduledAt!==e.createdAt&&[n.due,s(e.scheduledAt)],e.startedAt&&[n.started,s(e.startedAt)],e.completedAt&&[n.completed,s(e.completedAt)],e.startedAt&&[c.runs.columns.took,o`<${Oe} from=${e.startedAt} to=${e.completedAt} ms=${e.durationMs} />`],[n.attempts,c.runs.attemptOf(e.attempt,e.maxAttempts)],[n.by,e.requestedBy],e.failureReason&&[n.failure,o`<code>${e.failureReason}</code>`],e.timeoutMs&&[n.timeout,C(e.timeoutMs)],e.priority!==0&&[n.priority,e.priority],e.context?.retryOf&&[n.retryOf,o`<${I} id=${e.context.retryOf} />`],e.context?.rerunOf&&[c.jobs.rerunOf,o`<${I} id=${e.context.rerunOf} />`],t?.bulkOperation&&[n.bulk,o`<${Ka} ...${t.bulkOperation} />`],t?.retries.length&&[n.repeated,o`<${Yt} runs=${t.retries.slice(0,Ga)} />`],e.idempotencyKey&&[n.key,o`<code>${e.idempotencyKey}</code>`]];return o`<dl class="facts card">
		${r.filter(Array.isArray).map(([a,i])=>o`<div key=${a}><dt>${a}</dt><dd>${i}</dd></div>`)}
	</dl>`}var Ga=3,Ka=({id:e,action:t,reason:n})=>o`<${k} to=${{view:"bulk",id:e}}>${c.bulk.title(t)}<//> · <bdi>${n}</bdi>`,Ya=["pending","running"];function za({run:e}){let t=v(!1),n=M(se()),s=Ya.includes(e.status);return o`<div class="actions">
		${_.value&&o`<span class="quiet">${c.past.noActions}</span>`}
		${j.value&&s&&o`
			<button class="danger" disabled=${e.cancelRequestedAt!==null} onClick=${()=>Za(e)}>${c.run.cancel} …</button>
		`}
		${j.value&&!s&&o`<button onClick=${()=>Xa(e,n)}>${c.run.retry}</button>`}
		${j.value&&o`<button onClick=${()=>t.value=!0}>${c.run.rerun} …</button>`}
		<${ti} run=${e} />
		${t.value&&o`<${Qa} run=${e} onClose=${()=>t.value=!1} />`}
	</div>`}function Za(e){let t=c.run,n={title:`${t.cancel} ${e.slug}`,text:t.cancelText,action:t.cancel};return Be(n,`/job-runs/${e.id}/cancel`,t.canceled)}async function Xa(e,t){let n=await D(()=>N(`/job-runs/${e.id}/retry`,void 0,{"Idempotency-Key":t.current}));n&&(t.current=se(),B({view:"run",id:n.data.id}))}function Qa({run:e,onClose:t}){let n=g(async s=>{let[r,a]=await Promise.all([b(`/jobs/${e.slug}`,[["limit",1]],s),b(`/job-runs/${e.id}/events`,[["limit",1]],s)]);return{job:r.data.job,origin:{...e,startDeadlineMs:ei(a.data[0])}}},[]);return o`<${Fe} title=${c.run.rerun} onClose=${t} className="wide">
		<${x} asked=${n}>
			${s=>o`<${lt} ...${s} onLaunched=${t} />`}
		<//>
	<//>`}function ei(e){let{start_deadline_at:t,scheduled_at:n}=e?.data??{};return t&&n?Date.parse(t)-Date.parse(n):null}function ti({run:e}){let t=document.baseURI,n={curl:Os(e,t,ln()!==""),CLI:As(e,t),Python:js(e,t)};return o`<details class="menu">
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
	</details>`}var ft=500;function ni({events:e}){let t=new Map(e.map(n=>[n.eventId,n]));return o`${e.length>=ft&&o`<p class="note">${c.ofFirst(ft)}</p>`}<ol class="events">
		${e.map(n=>o`
			<${si} key=${n.position} event=${n} cause=${t.get(n.causationId)} />
		`)}
	</ol>`}function si({event:e,cause:t}){let{type:n,position:s,occurredAt:r,actor:a,causationId:i,correlationId:l,data:d}=e,u=c.run.events;return o`<li class="card">
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
		<details><summary>${u.data}</summary><${K} value=${d} label=${u.data} /></details>
	</li>`}var Hs=500;function ri({run:e,events:t}){let n=t[0]?.correlationId,s=g(async r=>n?b("/events",[["correlation",n],["limit",Hs]],r):{data:t},[n],{newer:[e.status]});return o`<section class="card stack">
		<p class="quiet">${c.run.causesHint}</p>
		<${x} asked=${s}>
			${({data:r,meta:a})=>o`
				${a?.next&&o`<p class="note">${c.ofFirst(Hs)}</p>`}
				<${qs} subjects=${Ms(r.filter(Te))} current=${e.id} />
			`}
		<//>
	</section>`}function qs({subjects:e,current:t}){return o`<ul class="tree">
		${e.map(n=>o`<li key=${n.id}>
			<${oi} subject=${n} isCurrent=${n.id===t} />
			${n.children.length>0&&o`<${qs} subjects=${n.children} current=${t} />`}
		</li>`)}
	</ul>`}function oi({subject:e,isCurrent:t}){let{type:n,id:s,app:r,at:a,last:i,cause:l}=e,d=n==="job_run"?{view:"run",id:s}:r&&{view:"app",id:r},u=o`${n.replaceAll("_"," ")} <span class="id">${fe(s)}</span>`;return o`<span class=${t?"is-current":""} aria-current=${t?"true":void 0}>
			${d&&!t?o`<${k} to=${d}>${u}<//>`:u}
		</span>${" "}
		<span class="tag">${i}</span>${" "}
		<small>${l&&`${c.run.causedBy(l)} \xB7 `}<${y} at=${a} /></small>`}var ai=["parameters","result","metrics","context"];function ii({run:e}){let{compare:t}=T.value;return o`<div class="cards">
			${ai.map(n=>o`<section class="card" key=${n}>
				<h2>${c.run[n]}</h2>
				<${K} value=${e[n]} label=${c.run[n]} />
			</section>`)}
		</div>
		<section class="card stack">
			<h2>${c.run.compare}</h2>
			<${li} />
			${t&&o`<${ci} run=${e} other=${t} key=${t} />`}
		</section>`}function li(){let e=v(T.value.compare);return o`<form class="group" onSubmit=${n=>{n.preventDefault(),J({compare:e.value.trim()},{replace:!0})}}>
		<input class="id-input" aria-label=${c.run.compareId} placeholder=${c.run.compareId} value=${e.value}
			onInput=${H(e)} />
		<button>${c.run.compareGo}</button>
	</form>`}function ci({run:e,other:t}){let n=g(s=>b(`/job-runs/${t}`,R.value,s),[t]);return o`<${x} asked=${n}>
		${({data:s})=>o`<${ui} found=${Nt(e,s.run)} />`}
	<//>`}function ui({found:e}){return e.length===0?o`<p>${c.run.same}</p>`:o`<${Je} found=${e} />`}var $i={ArrowDown:1,ArrowUp:-1};function Fs({words:e,setWords:t}){let n=v(""),s=v(-1),r=v(!1),a=M(null),i=Ve(),l=n.value.split(/\s+/).at(-1)??"",d=r.value?On(l,pi(i)):[],u=m=>{n.value="",s.value=-1,t(Ke(m).reduce(Ye,e))},$=m=>{let w=n.value.slice(0,n.value.length-l.length);/[^=]$/.test(m)?u(w+m):n.value=w+m,s.value=-1,a.current?.focus()},p=(m,w)=>{m.preventDefault(),$(w)},f=m=>{let w=$i[m.key];w&&d.length>0?(m.preventDefault(),s.value=Math.min(Math.max(s.value+w,-1),d.length-1)):m.key==="Enter"?(m.preventDefault(),d[s.value]?$(d[s.value]):u(n.value)):m.key==="Escape"?(r.value=!1,s.value=-1):m.key==="Backspace"&&n.value===""&&e.length>0&&t(Tt(e,e.length-1))},h=m=>{n.value=m.target.value,s.value=-1,r.value=!0};return o`<div class="filter" role="search">
		<div class="filter-box">
			<${G} name="filter" />
			${e.map((m,w)=>o`
				<${di} key=${Mt(m)} word=${m} remove=${()=>t(Tt(e,w))} />
			`)}
			<input ref=${a} data-filter role="combobox" aria-label=${c.runs.filter}
				aria-expanded=${d.length>0} aria-controls="filter-found" aria-autocomplete="list"
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
			hidden=${d.length===0}>
			${d.map((m,w)=>o`<li role="option" key=${m}
				id=${`filter-${w}`} aria-selected=${w===s.value}
				onMouseDown=${A=>p(A,m)}>
				${m}
			</li>`)}
		</ul>
	</div>`}function di({word:e,remove:t}){let n=Mt(e);return o`<span class="chip ${e[0].endsWith("!")?"is-negated":""}">
		${n}
		<button class="plain" onClick=${t} aria-label=${c.runs.remove(n)}><${G} name="close" /></button>
	</span>`}function pi(e){let t=e.flatMap(({parametersSchema:n})=>Object.keys(n?.properties??{}));return{jobs:e.map(({slug:n})=>n),parameters:[...new Set(t)].sort()}}var Bs="created";function Js({words:e,sort:t}){let n=v(!1),s=M(null),r=i=>{J(i),n.value=!1,s.current?.focus()},a=({target:i})=>n.value=i.open;return o`<details class="menu" open=${n.value} onToggle=${a}>
		<summary ref=${s}>${c.savedViews.title}</summary>
		<div class="menu-box stack">${n.value&&o`<${fi} words=${e} sort=${t} open=${r} />`}</div>
	</details>`}function fi({words:e,sort:t,open:n}){let s=g(a=>b("/views",R.value,a),[]);P("views",s.again);let r=a=>ge.value=ge.value.filter(([i])=>i!==a);return o`
		<${x} asked=${s} lines=${2}>
			${({data:a})=>a.length>0&&o`
				<h2>${c.savedViews.everybodys}</h2>
				<ul class="saved-views">
					${a.map(i=>o`<${mi} key=${i.name} view=${i} open=${n} again=${s.again} />`)}
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
					<${Us} label=${c.savedViews.forget(a)} remove=${()=>r(a)} />
				</li>`)}
			</ul>
		`}
		<${hi} shared=${s.answer?.data??[]} words=${e} sort=${t} again=${s.again} />
	`}function mi({view:e,open:t,again:n}){let{name:s,filter:r,sort:a,savedBy:i,updatedAt:l}=e,d=Sn(r),u={words:d,sort:a===Bs?"":a},$=async()=>{let p={title:c.savedViews.remove(s),text:c.savedViews.removeHint,action:c.savedViews.go};await ie(p)&&(await D(()=>ae("DELETE",Ws(s)),c.savedViews.isDeleted(s)),n())};return o`<li>
		<button class="plain" title=${jt(d)} onClick=${()=>t(u)}><bdi>${s}</bdi></button>
		<small><bdi>${i}</bdi> · <${y} at=${l} /></small>
		${j.value&&o`<${Us} label=${c.savedViews.remove(s)} remove=${$} />`}
	</li>`}var Us=({label:e,remove:t})=>o`<button class="plain" aria-label=${e} title=${e} onClick=${t}><${G} name="close" /></button>`;function hi({shared:e,words:t,sort:n,again:s}){let r=v(""),a=v(!1),i=$=>{let p=ge.value.filter(([f])=>f!==$);return ge.value=[...p,[$,jt(t),n]],!0},l=async $=>{let p=e.find(w=>w.name===$),f={title:c.savedViews.replace($),text:c.savedViews.replaceHint,action:c.savedViews.goOn};if(p&&!await ie(f))return!1;let h={filter:xn(t),sort:n||Bs},m=await D(()=>ae("PUT",Ws($),h));return s(),m!==void 0},d=({target:$})=>a.value=$.value==="all";return o`<form class="group" onSubmit=${async $=>{$.preventDefault();let p=r.value.trim();await(j.value&&a.value?l:i)(p)&&(U(c.savedViews.isSaved(p)),r.value="")}}>
		<input
			required maxlength="100" pattern=".*\\S.*" aria-label=${c.savedViews.name} placeholder=${c.savedViews.name}
			value=${r.value} onInput=${H(r)} />
		${j.value&&o`<select
			aria-label=${c.savedViews.whose} value=${a.value?"all":"me"} onChange=${d}>
			<option value="me">${c.savedViews.forMe}</option>
			<option value="all">${c.savedViews.forEverybody}</option>
		</select>`}
		<button disabled=${t.length===0&&!n}>${c.savedViews.save}</button>
	</form>`}var Ws=e=>`/views/${encodeURIComponent(e)}`;var vi=50,Vs=1e3;async function mt({words:e,sort:t},n,s){let r=xe.peek().recent.runs,a=[...e,...R.value,["sort",t],["limit",vi]],{rows:i,next:l}=await $e("/job-runs",a,n,s);return{rows:i.map(({run:d})=>d),next:l,known:r}}async function bi(e,t,n){let s=await mt(e,null,n);if(!t||s.rows.length===0)return s;if(s.rows[0].id!==t.newest&&!e.sort){let r=await wi(t.newest,n);r!==null&&(s={...await mt(e,r,n),hasNewer:!0})}for(;s.next!==null&&s.rows.length<Math.min(t.count,gi);){let{rows:r,next:a}=await mt(e,s.next,n);s={...s,rows:[...s.rows,...r],next:a}}return{...s,stand:t}}var gi=1e3;async function wi(e,t){try{let{data:n}=await b(`/job-runs/${e}/events`,[["limit",1]],t);return n[0].position+1}catch(n){if(V(n).status===404)return null;throw n}}function yi(){let{words:e,sort:t}=T.value,n=JSON.stringify([e,t]),s=g(i=>bi({words:e,sort:t},$n(),i),[n]),r=v(new Set),a=i=>J({words:i});return F(()=>{r.value=new Set},[n,_.value]),o`
		<div class="screen-head">
			<h1>${c.runs.title}</h1>
			<div class="actions">
				<${Js} words=${e} sort=${t} />
				<${k} to=${{view:"bulk"}}>${c.views.bulk}<//>
			</div>
		</div>
		<${Fs} words=${e} setWords=${a} />
		<${Ai} words=${e} setWords=${a} />
		<div class="list-controls">
			<${Ti} words=${e} selected=${r} />
			<${ji} sort=${t} />
		</div>
		<${x} asked=${s} lines=${10}>
			${i=>o`
				<${ki} page=${i} asked=${s} words=${e} sort=${t} selected=${r} key=${n+_.value} />
			`}
		<//>
	`}function ki({page:e,asked:t,words:n,sort:s,selected:r}){let a=Z(e.rows,"runs",$=>$.id),i=oe(()=>o`<${le} runs=${a} sort=${s} selected=${j.value?r:void 0} />`,[a,j.value]),l=xi(e,t.isOld),d=()=>{dn(),t.again()};F(()=>{r.value=new Set(e.rows.map(({id:$})=>$).filter($=>r.value.has($)))},[e]);let u=!s&&o`<${Si} page=${e} words=${n} show=${d} />`;return a.length===0?o`${u}<${Oi} words=${n} />`:o`
		${u}
		<div ref=${l}>${i}</div>
		<${pe} asked=${t} load=${$=>mt({words:n,sort:s},$)} text=${c.older} />
	`}function xi(e,t){let n=M(null),s=M({page:e,isOld:t});return s.current={page:e,isOld:t},F(()=>un(()=>{let{page:{rows:r},isOld:a}=s.current;return a||!n.current?null:{newest:r[0].id,count:r.length,top:n.current.getBoundingClientRect().top}}),[]),ve(()=>{e.stand&&!t&&n.current&&scrollBy(0,n.current.getBoundingClientRect().top-e.stand.top)},[e.stand,t]),n}function Si({page:e,words:t,show:n}){let{known:s}=e,r=v({known:s,ids:new Set});r.value.known!==s&&(r.value={known:s,ids:new Set});let a=xe.value.recent.runs;F(()=>{let{ids:u}=r.value;if(a===s||_.value!==""||u.size>=Vs)return;let $=new Set(e.rows.map(m=>m.id)),p=e.rows[0]?.createdAt??"",h=[...a.values()].filter(m=>m.createdAt>=p&&s.get(m.id)!==m&&!$.has(m.id)&&An(t,m)).filter(({id:m})=>!u.has(m));h.length>0&&(r.value={known:s,ids:new Set([...u,...h.map(({id:m})=>m)])})},[a,e]);let i=r.value.ids.size;if(i===0&&!e.hasNewer)return null;let l=e.hasNewer?c.runs.newest:c.runs.fresh(i),d=i<Vs?l:c.runs.manyFresh;return o`<p class="pager"><button class="pill" onClick=${n}>${d}</button></p>`}function Oi({words:e}){return e.length>0?o`<${L} title=${c.runs.noMatch} hint=${c.runs.noMatchHint}>
		<button onClick=${()=>J({words:[]})}>${c.runs.clear}</button>
	<//>`:_.value?o`<${L} title=${c.runs.noneThen}>
		<button onClick=${()=>J({asOf:""})}>${c.past.back}</button>
	<//>`:o`<${L} title=${c.runs.empty} hint=${c.runs.emptyHint} command=${c.runs.emptyCommand} />`}function Ai({words:e,setWords:t}){let n=yn(),s=(e.find(([i])=>i==="status")?.[1]??"").split(",").filter(Boolean),r=e.every(([i])=>i==="status"),a=i=>{let l=s.includes(i)?s.filter(u=>u!==i):[...s,i],d=e.filter(([u])=>u!=="status");t(l.length>0?Ye(d,["status",l.join(",")]):d)};return o`<div class="status-filter" role="group" aria-label=${c.runs.columns.status}>
		${Ge.map(i=>o`<button
			key=${i} class="status status-${i}" aria-pressed=${s.includes(i)}
			onClick=${()=>a(i)}>
			<${G} name=${i} />${i}
			${r&&n&&o`<span class="count">${Se(n[i])}</span>`}
		</button>`)}
	</div>`}function ji({sort:e}){let t=({target:n})=>J({sort:n.value});return o`<label class="inline">${c.runs.sort}
		<select value=${e} onChange=${t}>
			${Object.entries(c.runs.orders).map(([n,s])=>o`<option key=${n} value=${n}>${s}</option>`)}
		</select>
	</label>`}var Mi=4;function Ti({words:e,selected:t}){let n=v("");if(!j.value)return null;let s=t.value.size;return o`<div class="selection">
		${s>0?o`<span>${c.runs.selected(s)}</span><${_i} selected=${t} />`:o`<span>${c.runs.allMatching}:</span>
			${Ei.map(r=>o`
				<button key=${r} onClick=${()=>n.value=r}>${c.bulk.actions[r]} …</button>
			`)}`}
		${n.value&&o`
			<${Ze} action=${n.value} words=${e} onClose=${()=>n.value=""} />
		`}
	</div>`}var Ei=["cancel","retry","rerun"];function _i({selected:e}){let t=async n=>{let s=[...e.value],r=await ie({title:c.bulk.title(n),text:c.runs.selected(s.length),action:c.bulk.go(c.bulk.actions[n],s.length),asksReason:n==="cancel"});if(!r)return;let a=n==="cancel"&&r.reason?{reason:r.reason}:void 0,i=await Ri(s,l=>N(`/job-runs/${l}/${n}`,a));e.value=new Set,i.length>0&&U(i.slice(0,3).join(`
`),{isWrong:!0})};return o`
		<button class="danger" onClick=${()=>t("cancel")}>${c.bulk.actions.cancel} …</button>
		<button onClick=${()=>t("retry")}>${c.bulk.actions.retry} …</button>
		<button class="plain" onClick=${()=>e.value=new Set}>${c.runs.clearSelection}</button>
	`}async function Ri(e,t){let n=[...e],s=[],r=async()=>{for(let a=n.shift();a!==void 0;a=n.shift())try{await t(a)}catch(i){s.push(c.bulk.one(a,V(i).message))}};return await Promise.all(Array.from({length:Mi},r)),s}var Pe={d:864e5,h:36e5,min:6e4,s:1e3},Gs=Object.keys(Pe).reverse();function He(e){let t=Object.keys(Pe).find(n=>e%Pe[n]===0&&e>0)??"s";return{amount:String(e/Pe[t]),unit:t}}var en=({amount:e,unit:t})=>e===""?null:Math.round(Number(e)*Pe[t]),Ks="0 3 * * *",Ys={amount:"1",unit:"h"},zs=e=>({id:"",job:"",rhythm:"cron",cron:Ks,every:Ys,timeZone:e,exclude:"",overlap:"skip",catchUp:He(6e4),jitter:He(0),startAt:"",endAt:"",pauseOnFailure:!1,parameters:{typed:void 0,raw:null}}),tn=e=>({id:e.id,job:e.job,rhythm:e.everyMs===null?"cron":"every",cron:e.cron??Ks,every:e.everyMs===null?Ys:He(e.everyMs),timeZone:e.timeZone,exclude:e.exclude.join(`
`),overlap:e.overlap,catchUp:He(e.catchUpMs),jitter:He(e.jitterMs),startAt:e.startAt??"",endAt:e.endAt??"",pauseOnFailure:e.pauseOnFailure,parameters:{typed:e.parameters,raw:null}});function ht(e){let t=e.rhythm==="cron";return{...e.id&&{id:e.id},...e.job&&{job:e.job},cron:t?e.cron:null,everyMs:t?null:en(e.every),timeZone:e.timeZone,exclude:e.exclude.split(`
`).map(n=>n.trim()).filter(Boolean),overlap:e.overlap,catchUpMs:en(e.catchUp),jitterMs:en(e.jitter),startAt:e.startAt||null,endAt:e.endAt||null,pauseOnFailure:e.pauseOnFailure}}function Zs(e,{id:t,...n}){let s=e,r=([a,i])=>JSON.stringify(i)!==JSON.stringify(s[a]);return Object.fromEntries(Object.entries(n).filter(r))}function Xs(e){let[,t,n,s]=/^(\S{10})T(\d\d:\d\d:\d\d)(?:\.\d+)?(.+)$/.exec(e)??[];return`${new Date(`${t}T00:00:00Z`).toUTCString().slice(0,3)} ${t} ${n} ${s}`}var Ci=["Sunday","Monday","Tuesday","Wednesday","Thursday","Friday","Saturday","Sunday"];function Me({cron:e,everyMs:t,timeZone:n}){let s=c.schedules;if(t)return s.every(C(t));let r=n==="UTC"?"":` ${s.zone(n)}`,a=e??"";return(Ni(a)??a)+r}function Ni(e){let t=e.trim().split(/\s+/);if(t.length!==5)return null;let[n,s,r,a,i]=t,l=c.schedules,d=r==="*"&&a==="*",u=/^\*\/(\d+)$/.exec(n);if(u&&s==="*"&&d&&i==="*")return l.every(`${u[1]} min`);if(e==="* * * * *")return l.every("1 min");if(!/^\d+$/.test(n)||!d)return null;if(s==="*"&&i==="*")return`${l.every("1 h")}, ${l.at(`:${n.padStart(2,"0")}`)}`;if(!/^\d+$/.test(s))return null;let $=l.at(`${s.padStart(2,"0")}:${n.padStart(2,"0")}`);return i==="*"?`${l.daily} ${$}`:i==="1-5"?`${l.weekdays} ${$}`:/^[0-7]$/.test(i)?`${l.every(Ci[Number(i)])} ${$}`:null}var Ii=["skip","buffer_one","buffer_all","cancel_other","terminate_other","allow_all"],vt=new Map;function Li(e){let t=e?.id??"",n=vt.get(t),s=n&&Di(n)&&n.before?.version!==e?.version;if(n&&!s)return n;let{timeZone:r}=Intl.DateTimeFormat().resolvedOptions(),a={draft:qe(e?tn(e):zs(r)),before:e};return vt.set(t,a),a}var Di=({draft:e,before:t})=>t&&JSON.stringify(e.value)===JSON.stringify(tn(t));function gt({schedule:e}){let t=c.schedules.form,n=e?.id??"",{draft:s,before:r}=Li(e),a=v({message:"",issues:[]}),i=Ve(),l=s.value.job||i.length===0?s.value:{...s.value,job:i[0].slug},d=qi(l),u=[...a.value.issues,...d.error?.issues??[]],$=m=>{s.value={...l,...m};let w=Object.keys(m).map(O=>`/${Pi[O]??O}`),A=({path:O})=>w.every(X=>O!==X&&!O.startsWith(`${X}/`));a.value={message:"",issues:a.value.issues.filter(A)}},p=()=>{vt.delete(n),B(e?{view:"schedule",id:n}:{view:"schedules"})},f=async m=>{m.preventDefault();let w=i.find(({slug:O})=>O.toLowerCase()===l.job.toLowerCase()),A=ct(l.parameters,w);try{if(!A)throw new Error(c.jobs.badJson);let O=await Hi(r,{...ht(l),parameters:A});vt.delete(n),U(t.saved(O.id)),B({view:"schedule",id:O.id})}catch(O){let{code:X,message:te,issues:ne=[]}=V(O);a.value={message:te,issues:X==="schedule_exists"?[{path:"/id",message:te}]:ne},qt(m.target)}},h={draft:l,issues:u,set:$};return o`<form class="stack" onSubmit=${f} noValidate>
		${e?.owner&&o`<p class="note">${t.owned(e.owner)}</p>`}
		${e&&e.version!==r?.version&&o`<p class="note" role="status">${t.newer(e.version)}</p>`}
		<div class="cards">
			<section class="card stack"><h2>${t.what}</h2><${Bi} ...${h} jobs=${i} isNew=${!e} isWrong=${a.value.message===c.jobs.badJson} /></section>
			<section class="card stack"><h2>${c.schedules.columns.when}</h2><${Ji} ...${h} /></section>
			<div class="stack">
				<section class="card stack"><h2>${t.next}</h2><${Fi} draft=${l} ...${d} /></section>
				<section class="card stack"><h2>${t.rules}</h2><${Wi} ...${h} /></section>
			</div>
		</div>
		${a.value.message&&o`<p class="problem" role="alert">${a.value.message}</p>`}
		<div class="actions">
			<button class="main">${e?t.save:c.schedules.create}</button>
			<button type="button" onClick=${p}>${t.discard}</button>
		</div>
	</form>`}var Pi={rhythm:"cron",every:"everyMs",catchUp:"catchUpMs",jitter:"jitterMs"};async function Hi(e,t){if(!e)return(await N("/schedules",t)).data;let n=Zs(e,t);return(await ae("PATCH",`/schedules/${e.id}`,n)).data}function qi(e){let t=Ae(JSON.stringify(ht(e))),{answer:n,error:s}=g(()=>N("/schedules/preview",JSON.parse(t)),[t]);return{ticks:n?.data,error:s}}function Fi({draft:e,ticks:t,error:n}){return o`<div class="stack" role="status">
		<p>${Me(ht(e))}</p>
		${n&&o`<p class="problem">${n.message||c.errors.unreachable}</p>`}
		${t&&o`<${sn} ticks=${t} />`}
	</div>`}function sn({ticks:e}){let t=c.schedules.form;return e.length===0?o`<p class="note">${t.never}</p>`:o`<ol class="coming">
		${e.map(({dueAt:n,firesAt:s,isExcluded:r})=>o`<li key=${n}>
			<time datetime=${n}>${Xs(n)}</time>${" "}
			${r&&o`<span class="tag">${c.schedules.excluded}</span>`}
			${Date.parse(s)>Date.parse(n)&&o`<small>${t.late(C(Date.parse(s)-Date.parse(n)))}</small>`}
		</li>`)}
	</ol>`}function Bi({draft:e,issues:t,set:n,jobs:s,isNew:r,isWrong:a}){let i=c.schedules.form,l=u=>({target:$})=>n({[u]:$.value}),d=s.find(({slug:u})=>u.toLowerCase()===e.job.toLowerCase());return o`
		${r&&o`<${me} name="id" title=${i.name} hint=${i.nameHint} issues=${t}>
			${u=>o`<input ...${u} required maxlength="100" value=${e.id} onInput=${l("id")} />`}
		<//>`}
		<${me} name="job" title=${c.views.job} issues=${t}>
			${u=>o`<select ...${u} value=${d?.slug} onChange=${l("job")}>
				${!d&&e.job&&o`<option>${e.job}</option>`}
				${s.map(({slug:$})=>o`<option key=${$} value=${$}>${$}</option>`)}
			</select>`}
		<//>
		${d&&o`<fieldset>
			<legend>${c.run.parameters}</legend>
			<${Ft} key=${d.slug} job=${d} draft=${e.parameters} issues=${t} isWrong=${a}
				onChange=${u=>n({parameters:u})} />
			${bt(t,"parameters").map(u=>o`<p class="problem" key=${u}>${u}</p>`)}
		</fieldset>`}
	`}function Ji({draft:e,issues:t,set:n}){let s=c.schedules.form,r=e.rhythm==="cron",a=(u,$)=>o`<label class="check">
		<input type="radio" name="rhythm" checked=${e.rhythm===u} onChange=${()=>n({rhythm:u})} />${$}
	</label>`,i=u=>$=>n({[u]:$}),l=u=>({target:$})=>i(u)($.value),d=u=>$=>o`<${Bt} common=${$} value=${e[u]} set=${l(u)} onChange=${i(u)} />`;return o`
		<div class="group" role="radiogroup" aria-label=${c.schedules.columns.when}>
			${a("cron",s.byCron)}${a("every",s.byInterval)}
		</div>
		${r?o`<${me} name="cron" title=${s.cron} hint=${s.cronHint} issues=${t}>
				${u=>o`<input ...${u} class="id" value=${e.cron} onInput=${l("cron")} />`}
			<//>`:o`<${nn} name="everyMs" also="cron" title=${s.every} value=${e.every} issues=${t}
				onChange=${i("every")} />`}
		<${me} name="timeZone" title=${c.schedules.timeZone} hint=${r?"":s.zoneOfInterval} issues=${t}>
			${u=>o`<input ...${u} list="time-zones" value=${e.timeZone} onInput=${l("timeZone")} />
				<datalist id="time-zones">${Ui().map($=>o`<option key=${$}>${$}</option>`)}</datalist>`}
		<//>
		<${me} name="startAt" title=${s.start} hint=${r?"":s.startOfInterval} issues=${t}>
			${d("startAt")}
		<//>
		<${me} name="endAt" title=${s.end} issues=${t}>
			${d("endAt")}
		<//>
		<${me} name="exclude" title=${s.exclude} hint=${s.excludeHint} issues=${t}>
			${u=>o`
				<textarea ...${u} class="growing" rows="2" value=${e.exclude} onInput=${l("exclude")}></textarea>
			`}
		<//>
		<${nn} name="jitterMs" title=${s.jitter} hint=${s.jitterHint} value=${e.jitter} issues=${t}
			onChange=${i("jitter")} />
	`}var Ui=()=>Intl.supportedValuesOf?.("timeZone")??[];function Wi({draft:e,issues:t,set:n}){let s=c.schedules.form,r=({target:a})=>n({pauseOnFailure:a.checked});return o`
		<fieldset>
			<legend>${c.schedules.overlap}</legend>
			${Ii.map(a=>o`<label class="check" key=${a}>
				<input type="radio" name="overlap" checked=${e.overlap===a} onChange=${()=>n({overlap:a})} />
				${a.replaceAll("_"," ")}<small>${c.schedules.overlaps[a]}</small>
			</label>`)}
			${bt(t,"overlap").map(a=>o`<p class="problem" key=${a}>${a}</p>`)}
		</fieldset>
		<${nn} name="catchUpMs" title=${s.catchUp} hint=${s.catchUpHint} value=${e.catchUp} issues=${t}
			onChange=${a=>n({catchUp:a})} />
		<label class="check">
			<input type="checkbox" checked=${e.pauseOnFailure} onChange=${r} />
			${s.pauseOnFailure}
		</label>
	`}function bt(e,t){let n=e.filter(({path:s})=>s===`/${t}`||t==="exclude"&&s.startsWith("/exclude/"));return[...new Set(n.map(({path:s,message:r})=>{let a=s.split("/")[2];return a===void 0?r:`${Number(a)+1}: ${r}`}))]}function me({name:e,also:t,title:n,hint:s,issues:r,children:a}){let i=[...bt(r,e),...t?bt(r,t):[]],l=`schedule-${e}`,d=[s&&`${l}-hint`,i.length>0&&`${l}-wrong`].filter(Boolean).join(" ")||void 0,u={id:l,"aria-describedby":d,"aria-invalid":i.length>0?"true":void 0};return o`<div class="field">
		<label for=${l}>${n}</label>
		${a(u)}
		${s&&o`<small id=${`${l}-hint`}>${s}</small>`}
		${i.length>0&&o`<p class="problem" id=${`${l}-wrong`}>${i.join("; ")}</p>`}
	</div>`}function nn({value:e,onChange:t,...n}){let s=r=>({target:a})=>t({...e,[r]:a.value});return o`<${me} ...${n}>
		${r=>o`<div class="group">
			<input ...${r} class="amount" type="number" min="0" step="any" value=${e.amount} onInput=${s("amount")} />
			<select aria-label=${c.schedules.form.unitOf(n.title)} value=${e.unit} onChange=${s("unit")}>
				${Gs.map(a=>o`<option key=${a} value=${a}>${c.schedules.form.units[a]}</option>`)}
			</select>
		</div>`}
	<//>`}var Qs=100;async function wt(e,t,n){let s=[];for(let i=0;i<e.length;i+=Qs)s.push(e.slice(i,i+Qs));let a=(await Promise.all(s.map(i=>b("/job-runs/by-schedule",[["schedule",i.join(",")],["last",t]],n)))).flatMap(({data:i})=>i);return new Map(a.map(i=>[i.schedule,i]))}var Vi=({status:e})=>e==="pending"||e==="running",Gi=({status:e})=>e==="failed"||e==="expired";function yt(e){let t=e?.last.find(n=>!Vi(n));return t&&Gi(t)?t:void 0}var kt=({run:e})=>o`<${k} to=${{view:"run",id:e.id}}>
	<${S} status="failed" label=${c.schedules.lastFailed} /><//>`;function xt({runs:e}){return e?e.last.length===0?o`<span class="quiet">${c.schedules.runs.none}</span>`:o`<span class="strip">
		${e.last.toReversed().map(({id:t,status:n,createdAt:s})=>{let r=`${c.status(n)}, ${ee(s)}`;return o`<${k} key=${t} to=${{view:"run",id:t}} class="status-${Re(n)}" aria-label=${r} title=${r}>
				<${G} name=${Re(n)} />
			<//>`})}
	</span>`:o`<span class="quiet">–</span>`}function St({id:e,runs:t}){let n=c.schedules.runs;if(!t)return null;let{succeeded:s,failed:r,expired:a}=t.counts,i=r+a,l=s+i;if(l===0)return o`<span class="quiet">–</span>`;let d=[["actor",`schedule:${e}`]],u=[["createdAfter",t.since]];return o`<${k} to=${{view:"runs",words:[...d,...u]}}>${n.rate(s,l)}<//>
		${i>0&&o` · <${k} to=${{view:"runs",words:[["status","failed,expired"],...d,...u]}}>
			<strong class="worse">${n.failed(i)}</strong><//>`}
		${Yi(t)&&o` <small>${n.since(ee(t.since))}</small>`}`}var Ki=864e5,Yi=({since:e})=>Date.now()-Date.parse(e)<6.9*Ki;var zi=10,Zi=100,Xi=20;function Qi(){let{id:e}=T.value,t=g(async n=>{let[{data:s},{data:r}]=await Promise.all([b(`/schedules/${e}`,[],n),b(`/schedules/${e}/preview`,[["n",zi]],n)]),[a,i]=await Promise.all([tl(e,n),wt([s.id],Zi,n)]);return{schedule:s,preview:r,ticks:a,runs:i.get(s.id)}},[e]);return P("schedules",t.again,n=>n.has(e)),P("runs",t.again,n=>[...n.values()].some(({requestedBy:s})=>s===`schedule:${e}`)),o`<${x} asked=${t} lines=${8}>
		${n=>T.value.tab==="edit"?o`<${el} schedule=${n.schedule} />`:o`<${nl} ...${n} again=${t.again} />`}
	<//>`}function el({schedule:e}){return o`<div class="screen-head"><h1>${c.schedules.edit} ${e.id}</h1></div>
		${j.value?o`<${gt} schedule=${e} key=${e.id} />`:o`<${we} />`}`}async function tl(e,t){let n=i=>$e(`/schedules/${e}/ticks`,[["limit",100]],i,t),s=0,r=await n(s),a=r.next&&(await b("/job-runs/counts",[],t)).meta.position;for(;r.next&&a>1;){a=Math.ceil(a/2);let i=await n(s+a);i.next&&(s+=a),i.rows.length>0&&(r=i)}return r.rows.reverse()}function nl({schedule:e,preview:t,ticks:n,runs:s,again:r}){let a=c.schedules,i=yt(s);return o`<div class="screen-head">
			<div><h1>${e.id}</h1><p>${Me(e)} · <${Y} slug=${e.job} /></p></div>
			${j.value&&o`<${ol} schedule=${e} again=${r} />`}
		</div>
		${e.paused&&o`<p class="note"><${S} status="paused" /> <bdi>${e.paused.reason??""}</bdi></p>`}
		<section class="card stack">
			<div class="screen-head">
				<h2>${a.runs.title}</h2>
				${i&&o`<${kt} run=${i} />`}
				<div class="actions"><${k} to=${{view:"runs",words:[["actor",`schedule:${e.id}`]]}}>${a.runs.all}<//></div>
			</div>
			<${xt} runs=${s&&{...s,last:s.last.slice(0,Xi)}} />
			<p>${a.runs.week}: <${St} id=${e.id} runs=${s} /></p>
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
		<${sl} schedule=${e} />
		<section class="stack"><h2>${a.past}</h2><${rl} ticks=${n} runs=${s?.last??[]} /></section>`}function sl({schedule:e}){let t=c.schedules,{overlap:n,jitterMs:s,catchUpMs:r,startAt:a,endAt:i,exclude:l,pauseOnFailure:d,owner:u}=e,$=[[t.overlap,t.overlaps[n]],[t.facts.catchUp,C(r)],[t.facts.pauseOnFailure,d?t.yes:t.no],[t.facts.jitter,s>0&&C(s)],[t.facts.start,a&&o`<${y} at=${a} full />`],[t.facts.end,i&&o`<${y} at=${i} full />`],[t.facts.exclude,l.length>0&&l.map(p=>o`<code key=${p}>${p}</code> `)],[t.facts.owner,u]];return o`<dl class="facts card">
		${$.filter(([,p])=>p).map(([p,f])=>o`<div key=${p}><dt>${p}</dt><dd>${f}</dd></div>`)}
	</dl>`}function rl({ticks:e,runs:t}){let n=new Map(t.map(({id:i,status:l})=>[i,l])),s=c.schedules;if(e.length===0)return o`<p class="quiet">${s.noTicks}</p>`;let r=[{name:"first",title:s.due,cell:({dueAt:i,lastDueAt:l,ticks:d})=>o`<${y} at=${i} />${d>1&&o` – <${y} at=${l} />`}`},{name:"status",title:s.outcome,cell:({outcome:i,ticks:l})=>o`<span class="tag">${i}</span> ${l>1&&`\xD7 ${l}`}`},{name:"why",title:s.why,cell:({reason:i,cause:l})=>i??l},{name:"run",title:c.runs.columns.run,cell:({runId:i})=>i&&o`<${I} id=${i} /> ${n.has(i)&&o`<${S} status=${n.get(i)} />`}`}],a=({position:i})=>i;return o`<${z} label=${s.past} rows=${e} keyOf=${a} columns=${r} />`}function ol({schedule:e,again:t}){let n=c.schedules,s=`/schedules/${e.id}`,r=M(se()),a=async()=>{let l=await D(()=>N(`${s}/trigger`,void 0,{"Idempotency-Key":r.current}));l&&(r.current=se(),U(c.jobs.launched(l.data.id)))};return o`<div class="actions">
		<button class="danger" onClick=${async()=>{let l={title:n.removeTitle(e.id),text:n.removeText(e.id),action:n.remove};await ie(l)&&await D(()=>ae("DELETE",s),n.removed(e.id))&&B({view:"schedules"},{replace:!0})}}>${n.remove} …</button>
		<button onClick=${()=>B({view:"schedule",id:e.id,tab:"edit"})}>${n.edit}</button>
		<${We} paused=${e.paused} name=${e.id} path=${s} text=${n.pauseText} again=${t} />
		<${al} path=${s} again=${t} />
		<button class="main" onClick=${a}>${n.trigger}</button>
	</div>`}function al({path:e,again:t}){let n=c.schedules,s=v(""),r=v(""),a=async i=>{i.preventDefault();let l=$=>new Date($).toISOString(),d=l(s.value),u=0;for(;d;){let $=await D(()=>N(`${e}/backfill`,{from:d,to:l(r.value)}));if(!$)return t();u+=$.data.runs.length,d=$.data.continueFrom}U(n.filled(u)),t()};return o`<details class="menu">
		<summary>${n.backfill}</summary>
		<form class="menu-box stack" onSubmit=${a}>
			<label>${n.from}<input type="datetime-local" step="1" required value=${s.value} onInput=${H(s)} /></label>
			<label>${n.to}<input type="datetime-local" step="1" required value=${r.value} onInput=${H(r)} /></label>
			<button>${n.backfill}</button>
		</form>
	</details>`}function il(){return T.value.tab==="new"?o`<${ll} />`:o`<${cl} />`}function ll(){return o`<div class="screen-head"><h1>${c.schedules.create}</h1></div>
		${j.value?o`<${gt} />`:o`<${we} />`}`}function cl(){let e=g(t=>de("/schedules",R.value,t),[]);return P("schedules",e.again),o`<div class="screen-head">
			<h1>${c.schedules.title}</h1>
			${j.value&&o`<div class="actions">
				<button class="main" onClick=${()=>B({view:"schedules",tab:"new"})}>${c.schedules.create}</button>
			</div>`}
		</div>
		<${x} asked=${e}>${t=>o`<${pl} schedules=${t} />`}<//>`}var ul=8,$l=1e4;function dl(e){let t=e.map(({id:s})=>s);return g(async s=>_.value?null:wt(t,ul,s),[t.join(",")],{everyMs:$l}).answer??(_.value?null:new Map)}function pl({schedules:e}){let t=dl(e),n=c.schedules.columns;if(e.length===0)return o`<${L}
			title=${c.schedules.empty} hint=${c.schedules.emptyHint} command=${c.schedules.emptyCommand} />`;let s=[{name:"first",title:n.schedule,cell:({id:r,job:a})=>o`<${k} to=${{view:"schedule",id:r}}><strong>${r}</strong><//>${" "}
					<small><${Y} slug=${a} /></small>`},{name:"when",title:n.when,cell:r=>Me(r)},{name:"next",title:n.next,cell:({nextAt:r,paused:a})=>a&&!t?o`<${S} status="paused" />`:o`<${y} at=${a?null:r} />`}];return t?s.push(...fl(t)):s.push({name:"last",title:n.last,cell:({lastTick:r})=>o`<${er} tick=${r} />`}),o`<${z} label=${c.schedules.title} rows=${e} keyOf=${({id:r})=>r} columns=${s} />`}function fl(e){let t=c.schedules.columns;return[{name:"state",title:t.state,cell:n=>o`<${ml} schedule=${n} runs=${e.get(n.id)} />`},{name:"runs",title:t.runs,cell:({id:n})=>o`<${xt} runs=${e.get(n)} />`},{name:"week",title:t.week,cell:({id:n})=>o`<${St} id=${n} runs=${e.get(n)} />`}]}function ml({schedule:e,runs:t}){let{paused:n,lastTick:s}=e,r=yt(t),a=s?.outcome==="skipped"&&s.reason!=="paused";return o`
		${r&&o`<${kt} run=${r} />`}
		${n&&o` <${S} status="paused" />`}
		${t&&!r&&!n&&o`<${S} status="ready" label=${c.schedules.active} />`}
		${a&&o` <small><${er} tick=${s} /></small>`}
	`}function er({tick:e}){return e?o`<span class="tag">${e.outcome}</span>${" "}
		<small><${y} at=${e.dueAt} /></small>${" "}
		${e.runId?o`<${I} id=${e.runId} />`:o`<small>${e.reason?.replaceAll("_"," ")??""}</small>`}`:o`<span class="quiet">–</span>`}var hl=3e3;function vl(){let e=g(t=>de("/workers",[],t),[],{everyMs:hl});return o`<div class="screen-head"><h1>${c.workers.title}</h1></div>
		<${x} asked=${e}>${t=>o`<${bl} workers=${t} again=${e.again} />`}<//>`}function bl({workers:e,again:t}){let n=c.workers.columns;if(e.length===0)return o`<${L}
			title=${c.workers.empty} hint=${c.workers.emptyHint} command=${c.overview.startWorker} />`;let s=[{name:"first",title:n.worker,cell:({id:r,host:a,pid:i})=>o`<strong class="id">${r}</strong> <small>${a}, ${i}</small>
				<br /><${k} to=${{view:"runs",words:[["worker",r]]}}>${c.workers.runs}<//>`},{name:"status",title:n.state,cell:({state:r})=>o`<${S} status=${r} />`},{name:"slots",title:n.slots,cell:({busy:r,slots:a,sharedBusy:i,sharedSlots:l})=>o`<meter min="0" max=${a} value=${r} aria-label=${c.overview.slots(r,a)}>
					</meter>${" "}
					<small>${c.overview.slots(r,a)}</small>
					${l>0&&o`<br /><small>${c.workers.shared(i,l)}</small>`}`},{name:"labels",title:n.labels,cell:({labels:r})=>Object.entries(r).map(([a,i])=>o`
				<span class="tag" key=${a}>${a}=${i}</span>${" "}
			`)},{name:"handlers",title:n.handlers,cell:({entryPoints:r})=>o`<${gl} names=${r} />`},{name:"beat",title:n.beat,cell:({lastBeatAt:r})=>o`<${y} at=${r} />`},{name:"version",title:n.version,cell:({version:r})=>r},{name:"action",title:c.actions,isTitleHidden:!0,cell:r=>r.state==="alive"&&j.value&&o`<button onClick=${()=>wl(r,t)}>${c.workers.drain} …</button>`}];return o`<${z} label=${c.workers.title} rows=${e} keyOf=${({id:r})=>r} columns=${s} />`}function gl({names:e}){return e===null?c.workers.any:o`<details>
		<summary>${c.workers.handlers(e.length)}</summary>
		<ul>${e.map(t=>o`<li key=${t}><code>${t}</code></li>`)}</ul>
	</details>`}async function wl({id:e},t){let n=c.workers;await ie({title:`${n.drain} ${e}`,text:n.drainText,action:n.drain})&&await D(()=>N(`/workers/${e}/drain`).then(t),n.drained)}export{nr as app,cr as apps,hr as bulk,ro as failures,Ho as job,Qo as jobs,la as log,Ba as run,yi as runs,Qi as schedule,il as schedules,vl as workers};
