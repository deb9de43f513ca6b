// licences.txt names what is in it.
import{$ as Ln,$a as it,A as _,Aa as Bn,B as N,Ba as ne,C as De,Ca as H,D as Mn,Da as _e,E as En,Ea as R,F as _n,Fa as rt,G as U,Ga as ot,H as P,Ha as Jt,I as ze,Ia as Bt,J as Ze,Ja as Wn,K as Rn,Ka as Un,L as Pe,La as Vn,M as He,Ma as at,N as xe,Na as Wt,O as Tn,Oa as Gn,P as o,Pa as Xn,Q as G,Qa as Kn,R as Z,Ra as Yn,S as B,Sa as zn,T as J,Ta as Zn,U as Cn,Ua as Qn,V as he,Va as es,W as Nn,Wa as ts,X as In,Xa as ns,Y as Qe,Ya as Ut,Z as ce,Za as ss,_ as et,_a as rs,a as q,aa as Dn,b as ye,ba as Q,c as j,ca as tt,d as z,da as O,e as ie,ea as F,f as b,fa as Me,g as pe,ga as ee,h as c,ha as ve,i as On,ia as nt,j as K,ja as st,k as Sn,ka as Oe,l as Y,la as I,m as g,ma as Pn,n as fe,na as S,o as An,oa as qe,p as re,pa as M,q as le,qa as te,r as L,ra as A,s as ke,sa as Ft,t as oe,ta as Hn,u as me,ua as se,v as qt,va as Ee,w as D,wa as qn,x as Ye,xa as w,y as jn,ya as Fn,z as E,za as Jn}from"./dashboard.js";var os=50;function Jr(){let{id:e}=E.value,t=w(async n=>{let[s,r,a]=await Promise.all([g(`/apps/${Y(e)}`,[],n),g(`/apps/${e}/builds`,[["limit",os]],n),g(`/apps/${e}/history`,[["limit",os]],n)]),i=r.meta.hasMore||a.meta.hasMore;return{app:s.data,builds:r.data,history:a.data,isCut:i}},[e]);return H("apps",t.again,n=>n.has(e)),H("builds",t.again,n=>[...n.values()].some(s=>s.repositoryId===e&&!t.answer?.builds.some(r=>r.id===s.id))),o`<${S} asked=${t} lines=${8} list="apps">
		${n=>o`<${Br} ...${n} again=${t.again} />`}
	<//>`}function Br({app:e,builds:t,history:n,isCut:s,again:r}){let a=ne(t,"builds",({id:l})=>l),i=c.apps;return o`<div class="screen-head">
			<div><h1>${e.name}</h1><p class="quiet"><code>${e.repoUrl}</code></p></div>
			${R.value&&o`<div class="actions">
				<button onClick=${()=>J(()=>L(`/apps/${e.id}/retry`).then(r),i.ingesting)}>${i.retry}</button>
				<button class="main" onClick=${()=>J(()=>L(`/apps/${e.id}/builds`).then(r),i.building)}>
					${i.build}
				</button>
			</div>`}
		</div>
		<p>${e.description}</p>
		<p class="tags">
			<${M} status=${e.ingestStatus} />
			${e.tags.map(({key:l,value:$})=>o`<span class="tag" key=${l+$}>${l}:${$}</span>`)}
		</p>
		${e.ingestError&&o`<p class="error-message" tabindex="0"><code>${e.ingestError}</code></p>`}
		${s&&o`<p class="note">${c.apps.cut}</p>`}
		<${Ur} tiles=${e.previewTiles} />
		<section class="stack">
			<h2>${i.builds}</h2>
			${a.length===0?o`<p class="quiet">${i.noBuilds}</p>`:a.map(l=>o`
				<${Vr} key=${l.id} build=${l} again=${r} />
			`)}
		</section>
		<section class="card stack">
			<h2>${i.history}</h2>
			<ol class="needs">
				${n.map(l=>o`<li key=${l.id}>
					<${M} status=${l.status} /> ${l.message}
					<small><${A} at=${l.createdAt} /></small> <${F} id=${l.jobRunId} />
				</li>`)}
			</ol>
		</section>`}var Vt=({src:e,posterUrl:t,embedUrl:n})=>e??t??n??"";function Wr({tile:e}){let t=Vt(e),n=e.title??t;return/^https?:/.test(t)?o`<a href=${t} rel="noreferrer">${n}</a>`:n}function Ur({tiles:e}){return e.length===0?null:o`<section class="stack">
		<h2>${c.apps.previews}</h2>
		<ul class="cards">
			${e.map(t=>o`<li class="card stack" key=${t.id}>
				${Vt(t).startsWith("data:image/")?o`
					<img class="preview" src=${Vt(t)} alt=${t.title?"":c.apps.preview} />
					${t.title&&o`<small>${t.title}</small>`}
				`:o`<${Wr} tile=${t} />`}
			</li>`)}
		</ul>
	</section>`}function Vr({build:e,again:t}){let{id:n,status:s,imageTag:r,errorMessage:a,commitSha:i,createdAt:l,startedAt:$,completedAt:u,durationMs:d,hasLogs:p,jobRunId:m}=e,h=b(!1),f=({target:v})=>h.value=v.open,k=c.apps;return o`<article class="card stack">
		<div class="screen-head">
			<h3><span class="id">${ve(n)}</span></h3>
			<${M} status=${s} />
			<small><${A} at=${l} /> · <${Ee} from=${$} to=${u} ms=${d} /></small>
			${m&&o`<${F} id=${m} />`}
			${s==="failed"&&R.value&&o`
				<div class="actions"><button onClick=${()=>J(()=>L(`/builds/${n}/retry`).then(t),k.building)}>${k.rebuild}</button></div>
			`}
		</div>
		<p>
			${r&&o`<code>${r}</code>`}${" "}
			${i&&o`<small class="id">${i.slice(0,12)}</small>`}
		</p>
		${a&&o`<p class="problem">${a}</p>`}
		${p&&o`<details onToggle=${f}>
			<summary>${k.log}</summary>
			${h.value&&o`<${Gr} id=${n} status=${s} />`}
		</details>`}
	</article>`}function Gr({id:e,status:t}){let n=w(s=>g(`/builds/${e}/logs`,[],s),[e],{newer:[t],everyMs:t==="running"?2e3:void 0});return o`<${S} asked=${n}>
		${({data:s})=>o`<pre class="log-lines" tabindex="0" aria-label=${c.apps.log}>${s.logs}</pre>`}
	<//>`}var Xr=48;function Kr(){let e=Object.fromEntries(E.value.words),t=a=>async i=>{let{data:l,meta:$,total:u}=await g("/apps",[["q",e.q],["status",e.status],["limit",Xr],["offset",a]],i);return{rows:l,total:u??l.length,next:$.nextOffset}},n=w(t(0),[e.q,e.status]),s=b(e.q??"");q(()=>{s.value=e.q??""},[e.q]);let r=a=>{a.preventDefault(),P({words:s.value?[["q",s.value]]:[]})};return o`<div class="screen-head">
			<h1>${c.apps.title} ${n.answer&&o`<span class="count">${pe(n.answer.total)}</span>`}</h1>
			<form class="group" role="search" onSubmit=${r}>
				<input
					type="search" data-filter aria-label=${c.apps.search} placeholder=${c.apps.search}
					value=${s.value} onInput=${G(s)} />
			</form>
		</div>
		<${S} asked=${n}>
			${({rows:a})=>o`
				<${Yr} found=${a} isAll=${!e.q&&!e.status} />
				<${he} asked=${n} load=${i=>t(i)()} />
			`}
		<//>`}function Yr({found:e,isAll:t}){let n=ne(e,"apps",({id:s})=>s);return n.length===0&&!t?o`<${I} title=${c.apps.noMatch} hint=${c.apps.noMatchHint}>
		<button onClick=${()=>P({words:[]})}>${c.apps.showAll}</button>
	<//>`:n.length===0?o`<${I} title=${c.apps.empty} hint=${c.apps.emptyHint} command=${c.apps.emptyCommand} />`:o`<ul class="cards">${n.map(s=>o`<${zr} key=${s.id} app=${s} />`)}</ul>`}function zr({app:e}){return o`<li class="card stack">
		<div class="screen-head">
			<h2><${O} to=${{view:"app",id:e.id}}>${e.name}<//></h2>
			<${M} status=${e.ingestStatus} />
		</div>
		<p class="two-lines">${e.description}</p>
		${e.ingestError&&o`<p class="problem two-lines">${e.ingestError}</p>`}
		<p class="tags">
			${e.tags.map(({key:t,value:n})=>o`<span class="tag" key=${t+n}>${t}:${n}</span>`)}
		</p>
		<p class="quiet">
			${e.latestBuild&&o`
				<${M} status=${e.latestBuild.status} label=${c.apps.buildIs(e.latestBuild.status)} />
			`}${" "}
			<${A} at=${e.updatedAt} />
		</p>
	</li>`}var Zr={created:"createdAt",started:"startedAt",ended:"completedAt"};function ue({runs:e,selected:t,sort:n="",isBrief:s=!1,isOfOneJob:r=!1,more:a=[]}){let i=c.runs.columns,l=n==="started"||n==="ended"?n:"created",$=[{name:"first",title:i.run,cell:u=>o`<${F} id=${u.id} />`},{name:"job",title:i.job,cell:u=>o`<${ee} slug=${u.slug} />`},{name:"status",title:i.status,cell:u=>o`<${eo} run=${u} />`},{name:"took",title:i.took,cell:u=>o`<${Ee} from=${u.startedAt} to=${u.completedAt} ms=${u.durationMs} />`},{name:"created",title:i[l],cell:u=>o`<${A} at=${u[Zr[l]]} />`}];return s||$.push({name:"why",title:i.details,cell:u=>o`<${no} run=${u} />`}),$.push(...a),r&&$.splice(1,1),t&&$.unshift(so(e,t)),o`<${te} label=${c.runs.title} rows=${e} keyOf=${Qr} columns=${$}
		rowClass=${({id:u})=>t?.value.has(u)?"is-selected":""} />`}var Qr=({id:e})=>e;function eo({run:e}){let t=e.attempt>1;return o`<${M} status=${e.status} />${" "}
		${t&&o`<small>${c.runs.attemptOf(e.attempt,e.maxAttempts)}</small>`}`}var to=500;function no({run:e}){if(e.errorMessage)return o`<span class="one-line">${e.errorMessage}</span>`;if(e.status==="pending")return o`<small>${c.runs.dueAt} <${A} at=${e.scheduledAt} /></small>`;let t=Object.entries(e.parameters??{}).map(([n,s])=>`${n}=${JSON.stringify(s)}`);return o`<span class="one-line quiet">${t.join(" ").slice(0,to)}</span>`}function so(e,t){let n=a=>{let i=new Set(t.value);i.delete(a)||i.add(a),t.value=i},s=e.length>0&&e.every(({id:a})=>t.value.has(a)),r=()=>t.value=s?new Set:new Set(e.map(({id:a})=>a));return{name:"select",title:o`<input type="checkbox" aria-label=${c.runs.selectAll} checked=${s} onChange=${r} />`,cell:({id:a})=>o`<input type="checkbox" aria-label=${c.runs.select(ve(a))} checked=${t.value.has(a)}
				onChange=${()=>n(a)} />`}}function ro(){let{id:e}=E.value,t=w(async n=>{if(!e)return as(null,n);let{data:s}=await g(`/bulk/${Y(e)}`,N.value,n);return{rows:[s],next:null}},[e]);return o`<h1>${c.views.bulk}</h1>
		<${S} asked=${t} list=${e&&"bulk"}>
			${({rows:n})=>o`
				<${oo} operations=${n} />
				<${he} asked=${t} load=${as} text=${c.older} />
			`}
		<//>`}var as=(e,t)=>fe("/bulk",N.value,e,t);function oo({operations:e}){let t=ao(ne(e,"bulk",({id:n})=>n));return t.length===0?o`<${I} title=${c.bulk.empty} hint=${c.bulk.emptyHint} />`:o`<ul class="stack">
		${t.map(n=>o`<${io} key=${n.id} operation=${n} />`)}
	</ul>`}function ao(e){if(E.value.id||_.value)return e;let t=e[0]?.createdAt??"";return[...[...me.value.recent.bulk.values()].filter(({createdAt:s})=>s>t).sort((s,r)=>r.createdAt.localeCompare(s.createdAt)),...e]}function io({operation:e}){let{id:t,action:n,filter:s,status:r,total:a,done:i,refused:l,reason:$,requestedBy:u,createdAt:d,refusals:p}=e,m=c.bulk,h={title:m.abort,text:m.abortHint,action:m.abort},f=()=>et(h,`/bulk/${t}/abort`,m.aborted);return o`<li class="card stack">
		<div class="screen-head">
			<h2>${c.bulk.title(n)}</h2>
			<span class="id">${ve(t)}</span> <${M} status=${r} />
			${r==="running"&&R.value&&o`
				<div class="actions"><button class="danger" onClick=${f}>${c.bulk.abort} …</button></div>
			`}
		</div>
		<p class="command"><code>${s.join("  ")}</code></p>
		<progress max=${Math.max(a,1)} value=${a===0?1:i+l}
			aria-label=${c.bulk.running(e)}>
		</progress>
		<p>${c.bulk.running(e)}</p>
		<p class="quiet"><bdi>${$}</bdi> · <bdi>${u}</bdi> · <${A} at=${d} /></p>
		${n!=="cancel"&&!_.value&&o`<${uo} operation=${e} isOpen=${E.value.id===t} />`}
		${p.length>0&&o`<ul class="refused">
			${p.slice(0,10).map(({run:k,why:v})=>o`<li key=${k}>${c.bulk.one(k,v)}</li>`)}
		</ul>`}
	</li>`}var lo=10,co=3e3;function uo({operation:e,isOpen:t}){let n=b(t);return o`<details open=${t} onToggle=${({target:r})=>n.value=r.open}>
		<summary>${c.bulk.launched}</summary>
		${n.value&&o`<${$o} operation=${e} />`}
	</details>`}function $o({operation:{id:e,done:t}}){let n=w(r=>g(`/bulk/${e}/runs`,[["limit",lo]],r),[e],{newer:[t],everyMs:co});return o`<${S} asked=${n} lines=${3}>${({data:r,meta:a})=>o`<div class="stack">
		${r.length===0&&o`<p class="quiet">${c.bulk.none}</p>`}
		<p>
			${Object.entries(a.counts??{}).filter(([,i])=>i>0).map(([i,l])=>o`
				<span class="tag" key=${i}>${c.bulk.went(l,i)}</span>${" "}
			`)}
		</p>
		${a.hasMore&&o`<p class="quiet">${c.bulk.newest(r.length)}</p>`}
		${r.length>0&&o`<${ue} runs=${r} />`}
	</div>`}<//>`}function lt({action:e,words:t,onClose:n}){let s={action:e,filter:Wn(t)},r=w(()=>L("/bulk",{...s,dryRun:!0}),[]);return o`<${Qe} title=${c.bulk.title(e)} onClose=${n} className="wide">
		<p class="command"><code>${s.filter.join("  ")}</code></p>
		<${S} asked=${r}>
			${({data:a})=>o`
				<${fo} preview=${a} /><${mo} order=${s} count=${a.count} onClose=${n} />
			`}
		<//>
	<//>`}var po=5;function fo({preview:e}){let{count:t,position:n,sample:s,refused:r}=e;return o`<div class="stack">
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
		${s.length>0&&o`<div><h3>${c.bulk.sample}</h3><${ue} runs=${s.slice(0,po)} isBrief /></div>`}
	</div>`}function mo({order:e,count:t,onClose:n}){let s=b(""),r=b(""),a=b(""),i=b(""),l=j({body:"",key:""}),$=t>0&&s.value.trim()!==""&&(!Ln||a.value===Tn.name);return o`<form class="stack" onSubmit=${async d=>{d.preventDefault();try{let p=r.value.trim()&&JSON.parse(r.value),m={...e,reason:s.value,...p&&{patch:{parameters:p}}},h=JSON.stringify(m);l.current.body!==h&&(l.current={body:h,key:oe()});let{data:f}=await L("/bulk",m,{"Idempotency-Key":l.current.key});B(c.bulk.title(e.action)),n(),U({view:"bulk",id:f.id})}catch(p){i.value=p instanceof SyntaxError?c.jobs.badJson:K(p).message}}}>
		<label>${c.reason}<input required maxlength="1000" value=${s.value} onInput=${G(s)} /></label>
		${e.action==="rerun"&&o`
			<label>${c.bulk.patch}<textarea rows="3" placeholder="{}" value=${r.value} onInput=${G(r)}></textarea></label>
		`}
		<${Dn} name=${a} />
		${i.value&&o`<p class="problem" role="alert">${i.value}</p>`}
		<div class="actions">
			<button type="button" onClick=${n}>${c.leaveIt}</button>
			<button class="danger" disabled=${!$}>${c.bulk.go(c.bulk.actions[e.action],t)}</button>
		</div>
	</form>`}var ho={ArrowDown:1,ArrowUp:-1};function is({words:e,setWords:t,jobs:n}){let s=b(""),r=b(-1),a=b(!1),i=j(null),l=s.value.split(/\s+/).at(-1)??"",$=a.value?Gn(l,vo(n)):[],u=f=>{s.value="",r.value=-1,t(ot(f).reduce(at,e))},d=f=>{let k=s.value.slice(0,s.value.length-l.length);/[^=]$/.test(f)?u(k+f):s.value=k+f,r.value=-1,i.current?.focus()},p=(f,k)=>{f.preventDefault(),d(k)},m=f=>{let k=ho[f.key];k&&$.length>0?(f.preventDefault(),r.value=Math.min(Math.max(r.value+k,-1),$.length-1)):f.key==="Enter"?(f.preventDefault(),$[r.value]?d($[r.value]):u(s.value)):f.key==="Escape"?(a.value=!1,r.value=-1):f.key==="Backspace"&&s.value===""&&e.length>0&&t(Wt(e,e.length-1))},h=f=>{s.value=f.target.value,r.value=-1,a.value=!0};return o`<div class="filter" role="search">
		<div class="filter-box">
			<${Z} name="filter" />
			${e.map((f,k)=>o`
				<${Fe} key=${Bt(f)} word=${f} remove=${()=>t(Wt(e,k))} />
			`)}
			<input ref=${i} data-filter role="combobox" aria-label=${c.runs.filter}
				aria-expanded=${$.length>0} aria-controls="filter-found" aria-autocomplete="list"
				aria-activedescendant=${r.value>=0?`filter-${r.value}`:void 0} autocomplete="off"
				placeholder=${e.length===0?c.runs.prompt:""}
				value=${s.value} onInput=${h} onKeyDown=${m} onFocus=${()=>a.value=!0}
				onBlur=${()=>a.value=!1} />
			${e.length>0&&o`<button
				class="plain" onClick=${()=>t([])} aria-label=${c.runs.clear} title=${c.runs.clear}>
				<${Z} name="close" />
			</button>`}
		</div>
		<ul role="listbox" id="filter-found" class="filter-found" aria-label=${c.runs.filter}
			hidden=${$.length===0}>
			${$.map((f,k)=>o`<li role="option" key=${f}
				id=${`filter-${k}`} aria-selected=${k===r.value}
				onMouseDown=${v=>p(v,f)}>
				${f}
			</li>`)}
		</ul>
	</div>`}function Fe({word:e,remove:t}){let n=Bt(e);return o`<span class="chip ${e[0].endsWith("!")?"is-negated":""}">
		${n}
		<button type="button" class="plain" onClick=${t} aria-label=${c.runs.remove(n)}><${Z} name="close" /></button>
	</span>`}function vo(e){let t=e.flatMap(({parametersSchema:n})=>Object.keys(n?.properties??{}));return{jobs:e.map(({slug:n})=>n),parameters:[...new Set(t)].sort()}}var ls=/[\x00-\x08\x0b-\x1f\x7f-\x9f]/,bo=new RegExp([/\x1b\[([0-?]*)[ -/]*([@-~])/,/\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?/,/\x1b[PX^_][^\x1b]*(?:\x1b\\)?/,/\x1b[ -/]*[0-~]/,/[\x00-\x08\x0b-\x1f\x7f-\x9f]/,/[^\x00-\x08\x0b-\x1f\x7f-\x9f]+/].map(({source:e})=>e).join("|"),"g"),ut={foreground:null,background:null,is:new Set,classes:""},go=[];function $s(e,t){if(t===ut&&!ls.test(e)&&!e.includes("	"))return{text:e.length>1e4?e.slice(0,1e4):e,spans:go,style:t};let n=new Xt(t);for(let[s,r,a]of e.matchAll(bo))a?n.control(a,r):s==="\r"?n.column=0:s==="\b"?n.column=Math.max(n.column-1,0):ls.test(s)||n.write(s);return{text:n.characters.join(""),spans:n.spans(),style:n.style}}var Xt=class{constructor(t){this.style=t,this.column=0,this.characters=[],this.classes=[]}write(t){for(let n of t)if(n==="	")do this.#e(" ");while(this.column%8!==0&&this.column<1e4);else this.#e(n)}#e(t){if(!(this.column>=1e4)){for(;this.characters.length<this.column;)this.characters.push(" "),this.classes.push("");this.characters[this.column]=t,this.classes[this.column]=this.style.classes,this.column+=1}}control(t,n){let s=Number.parseInt(n,10)||0;t==="m"&&!wo.test(n)?this.style=yo(this.style,n):t==="K"?this.#t(s):t==="C"?this.column=Math.min(this.column+(s||1),1e4):t==="D"?this.column=Math.max(this.column-(s||1),0):t==="G"&&(this.column=Math.min((s||1)-1,1e4))}#t(t){let n=t===0?this.column:0;if(t===1){let s=Math.min(this.column+1,this.characters.length);this.characters.fill(" ",0,s),this.classes.fill("",0,s)}else this.characters.length=Math.min(n,this.characters.length),this.classes.length=this.characters.length}spans(){let t=[],n=0;for(let[s,r]of this.characters.entries()){let a=this.classes[s],i=t.at(-1),l=n+r.length;a&&i?.to===n&&i.classes===a?i.to=l:a&&t.length<500&&t.push({from:n,to:l,classes:a}),n=l}return t}},wo=/[<=>?]/,cs={1:"bold",2:"dim",3:"italic",4:"underline",7:"inverse",9:"strike"},us={21:["bold"],22:["bold","dim"],23:["italic"],24:["underline"],27:["inverse"],29:["strike"]};function yo(e,t){let{foreground:n,background:s}=e,r=new Set(e.is),a=t.split(";");for(let i=a.shift();i!==void 0;i=a.shift()){let[l,...$]=i.split(":").map(Number);if(l===0)n=s=null,r=new Set;else if(l===38||l===48){let u=$.length>0?ds($[0],$.slice($[0]===2?-3:1)):ko(a);l===38?n=u:s=u}else if(l===4&&$[0]===0)r.delete("underline");else if(cs[l])r.add(cs[l]);else if(us[l])for(let u of us[l])r.delete(u);else l===39?n=null:l===49?s=null:ct(l,30)||ct(l,90)?n=l%10:(ct(l,40)||ct(l,100))&&(s=l%10)}return n===null&&s===null&&r.size===0?ut:{foreground:n,background:s,is:r,classes:Oo(n,s,r)}}var ct=(e,t)=>e>=t&&e<t+8;function ko(e){let t=Number(e.shift());return ds(t,e.splice(0,t===2?3:1).map(Number))}function ds(e,t){if(e===2)return Gt(t);let[n=0]=t;if(e!==5)return null;if(n<16)return n%8;if(n>=232)return Gt([1,1,1].map(r=>r*(8+10*(n-232))));let s=n-16;return Gt([Math.floor(s/36),Math.floor(s/6)%6,s%6].map(r=>r*51))}var xo=48;function Gt([e=0,t=0,n=0]){let s=Math.max(e,t,n),r=Math.min(e,t,n);if(s-r<xo)return s<128?0:7;let a=(s+r)/2;return(e>a?1:0)+(t>a?2:0)+(n>a?4:0)}function Oo(e,t,n){let s=n.has("inverse")?e??7:t,r=s===null?e!==null&&`ansi-${e}`:`ansi-on-${s}`,a=[...n].filter(i=>i!=="inverse").map(i=>`ansi-${i}`);return[r,...a].filter(Boolean).join(" ")}var So=1e5,Ao=1e4,ps=1e5,hs=/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?[Zz] /,Se=class{dropped=0;#e=[];#t=[];#r=new Map;#s=new Set;#o=ut;#n="";#a=!1;get end(){return this.finished+(this.#n!==""&&!this.#a?1:0)}get finished(){return this.dropped+this.#e.length}add(t){let n=(this.#n+t).split(`
`);this.#n=jo(n.pop()??"");for(let r of n)this.#i(r);let s=this.#e.length-So;s>Ao&&this.#l(s)}finish(){this.#n!==""&&!this.#a&&this.#i(this.#n),this.#a=!0}line(t){return t>=this.finished?fs(this.#n,this.#o):{text:this.#e[t-this.dropped]??"",spans:this.#r.get(t)??[],isError:this.#s.has(t)}}errors(){return this.end>this.finished&&this.line(this.finished).isError?[...this.#s,this.finished]:[...this.#s]}width(t){return t>=this.finished?ms(this.line(t).text):this.#t[t-this.dropped]}#i(t){let{text:n,spans:s,style:r,isError:a}=fs(t,this.#o);this.#o=r,a&&this.#s.add(this.finished),s.length>0&&this.#r.set(this.finished,s),this.#e.push(n),this.#t.push(ms(n))}#l(t){this.#e.splice(0,t),this.#t.splice(0,t),this.dropped+=t;for(let n of[this.#r,this.#s])for(let s of n.keys()){if(s>=this.dropped)break;n.delete(s)}}};function fs(e,t){let n=hs.exec(e)?.[0]??"",s=$s(e.slice(n.length),t),r=s.spans.map(a=>({...a,from:a.from+n.length,to:a.to+n.length}));return{...s,text:n.toUpperCase()+s.text,spans:r,isError:n.endsWith("z ")}}function jo(e){if(e.length<=ps)return e;let t=hs.exec(e)?.[0]??"",n=e.slice(Math.max(e.lastIndexOf("\r")+1,t.length));return(t+n).slice(0,ps)}var Mo=/^[ -~]*$/,Eo=new RegExp("[\\u1100-\\u115f\\u2e80-\\ua4cf\\uac00-\\ud7a3\\uf900-\\ufaff\\ufe30-\\ufe6f\\uff00-\\uff60\\uffe0-\\uffe6]|\\p{Emoji_Presentation}|[\\u{20000}-\\u{3fffd}]","gu");function ms(e){if(Mo.test(e))return e.length;let t=e.match(Eo)?.length??0;return[...e].length+t}function vs(e,t,n,s=null){let r=s===null?e.end-e.dropped:s.length,a=s===null?_o(e.dropped,r):Ro(s,e.end);if(t===null)return{count:r,begins:l=>l,...a};let i=new Float64Array(r+1);for(let l=0;l<r;l+=1){let $=a.numberAt(l),u=n.get($)??Math.max(Math.ceil(e.width($)/t),1);i[l+1]=i[l]+u}return{count:r,begins:l=>i[l],...a}}function _o(e,t){return{numberAt:n=>e+n,indexOf:n=>Math.min(Math.max(n-e,0),t)}}function Ro(e,t){return{numberAt:n=>e[n]??t,indexOf:n=>{let s=0,r=e.length;for(;s<r;){let a=s+r>>1;e[a]<n?s=a+1:r=a}return s}}}function $t(e,{count:t,begins:n}){let s=0,r=Math.max(t-1,0);for(;s<r;){let a=Math.ceil((s+r)/2);n(a)<=e?s=a:r=a-1}return s}function dt(e){return e===""?null:new RegExp(e.replace(/[\\^$.*+?()[\]{}|]/g,"\\$&"),"gi")}var Re=class{hits=[];#e=0;#t;constructor(t){this.#t=new RegExp(t.source,"i")}advance(t,n){for(this.hits[0]<t.dropped&&(this.hits=this.hits.filter(s=>s>=t.dropped)),this.#e=Math.max(this.#e,t.dropped);this.#e<t.finished;){if(this.#e%256===0&&n())return!1;this.#t.test(t.line(this.#e).text)&&this.hits.push(this.#e),this.#e+=1}return!0}};function bs(e,t,n,s){if(e.length===0)return null;let r=t??(s===1?n.first-1:n.last+1),a=e.findIndex(l=>l>r);if(s===1)return a===-1?e[0]:e[a];let i=e.findLastIndex(l=>l<r);return i===-1?e[e.length-1]:e[i]}function Je({text:e,spans:t},n){let r=(n===null?[]:[...e.matchAll(n)]).map(({index:d,0:{length:p}})=>({from:d,to:d+p})),a=[0,e.length,...[...t,...r].flatMap(({from:d,to:p})=>[d,p])],i=[...new Set(a)].sort((d,p)=>d-p),l=d=>{let p=0;return m=>{for(;d[p]?.to<=m;)p+=1;return d[p]?.from<=m?d[p]:null}},$=l(t),u=l(r);return i.slice(1).map((d,p)=>{let m=i[p];return{text:e.slice(m,d),classes:$(m)?.classes??"",isHit:u(m)!==null}})}var ae=20,gs=20;function ys({run:e}){let t=Object.fromEntries(E.value.words),n=ws(t.attempt,e.attempt)??Math.max(Kt(e),1),s=ws(t.line,1/0),r=t.find??"",{log:a,version:i,isGrowing:l,error:$}=Bo(e.id,n),u=c.run.log,d=({target:p})=>P({words:[["attempt",p.value]]});return o`<section class="card stack log">
		${_.value&&o`<p class="note">${c.past.notHere}</p>`}
		${e.attempt>1&&o`<label class="inline">
			${c.run.attempts}
			<select value=${n} onChange=${d}>
				${Array.from({length:e.attempt},(p,m)=>o`
					<option key=${m} value=${m+1}>${c.run.attempt(m+1)}</option>
				`)}
			</select>
		</label>`}
		${$&&o`<${Pn} error=${$} />`}
		${a.dropped>0&&o`<p class="note">${u.cut}</p>`}
		${a.end===0&&!$?o`<p class="quiet">${i===0?c.loading:l?u.emptyYet:u.empty}</p>`:o`<${To} log=${a} version=${i} isGrowing=${l} attempt=${n} linked=${s} find=${r}
			save=${()=>J(()=>qo(e.id,n))} key=${n} />`}
	</section>`}var Kt=({startedAt:e,attempt:t})=>e?t:t-1;function ws(e,t){return/^[1-9][0-9]{0,8}$/.test(e??"")&&Number(e)<=t?Number(e):null}function To({log:e,version:t,isGrowing:n,attempt:s,linked:r,find:a,save:i}){let l=c.run.log,$=b(a),u=b(null),d=z(()=>dt($.value),[$.value]),p=z(()=>e.errors(),[e,t]),m=b(!1),h=Ho(e,t,d),f=m.value?h.filter(x=>e.line(x).isError):h,k=u.value??(r===null?null:r-1),v=Do(e,t,m.value?p:null,k,r===null),y=j(null);q(()=>{if(r===null||y.current===r||r>v.layout.numberAt(v.layout.count))return;y.current=r;let{first:x,last:W}=v.visible();(r-1<x||r-1>W)&&v.show(r-1)},[r,t]);let C=x=>{let W=bs(f,u.value,v.visible(),x);W!==null&&(u.value=W,v.show(W))},T=x=>{u.value=null,G($)(x)},V=x=>{x.preventDefault(),C(1)},Ae=({target:x})=>m.value=x.checked,de=({target:x})=>He.value=x.checked,ge=x=>{x.key!=="Enter"||!x.shiftKey||(x.preventDefault(),C(-1))},X=u.value===null?-1:f.indexOf(u.value),Ht=v.sticks.value?l.follows:l.grows;return o`<form class="group" role="search" onSubmit=${V}>
			<input type="search" aria-label=${l.search} placeholder=${l.search} value=${$.value}
				onInput=${T} onKeyDown=${ge} />
			<button type="button" aria-label=${l.previous} title=${l.previous} disabled=${f.length===0}
				onClick=${()=>C(-1)}>↑</button>
			<button type="button" aria-label=${l.next} title=${l.next} disabled=${f.length===0}
				onClick=${()=>C(1)}>↓</button>
			${d&&o`<span class="quiet" role="status">
				${X===-1?l.found(f.length):l.hit(X+1,f.length)}</span>`}
			<span class="quiet">${l.lines(e.end)}${n?` \xB7 ${Ht}`:""}</span>
			<label class="check"><input type="checkbox" checked=${m.value} disabled=${p.length===0}
				onChange=${Ae} />${l.errors(p.length)}</label>
			<label class="check"><input type="checkbox" checked=${He.value}
				onChange=${de} />${l.wrap}</label>
			<button type="button" disabled=${v.sticks.value} onClick=${v.toEnd}>${l.latest}</button>
			<button type="button" onClick=${i}>${l.download}</button>
		</form>
		<div class="log-box ${He.value?"is-wrapped":""}" ref=${v.element} tabindex="0" role="log"
			aria-live="off" aria-label=${c.run.tabs.log} ...${v.handlers}>
			<div class="line is-ruler" aria-hidden="true"><span class="line-number"></span><span class="line-stream"></span><span class="line-text"
				><span>${"0".repeat(Os)}</span></span></div>
			<${Co} log=${e} version=${t} box=${v} pattern=${d} attempt=${s}
				current=${u.value} linked=${r} />
		</div>`}function Co({log:e,box:t,pattern:n,attempt:s,current:r,linked:a}){let{begins:i,count:l}=t.layout,{top:$,height:u}=t.view.value,d=$t(Math.floor($/ae)-gs,t.layout),p=Math.min($t(Math.ceil(($+u)/ae)+gs,t.layout)+1,l),m=Array.from({length:p-d},(v,y)=>t.layout.numberAt(d+y)),h=j(null);ye(()=>h.current?t.measure(h.current):void 0);let f=v=>({...E.value,words:[["attempt",s],["line",v+1]]}),k=v=>v===r?"is-current":v+1===a?"is-linked":"";return o`<svg class="spacer" width="1" height=${i(d)*ae} aria-hidden="true"></svg>
		<div ref=${h}>
			${m.map(v=>({number:v,line:e.line(v)})).map(({number:v,line:y})=>o`
				<div class="line ${k(v)}" key=${v} data-number=${v}>
					<${O} to=${f(v)} class="line-number" tabindex="-1" aria-label=${c.run.log.line(v+1)}>
						${v+1}<//>
					<${xs} isError=${y.isError} />
					<span class="line-text">${Je(y,n).map(pt)}</span>
				</div>`)}
		</div>
		<svg class="spacer" width="1" height=${(i(l)-i(p))*ae} aria-hidden="true"></svg>`}function ks({text:e}){let t=z(()=>No(e),[e]);return Array.from({length:t.end},(n,s)=>{let r=t.line(s);return o`<${xs} isError=${r.isError} />${Je(r,null).map(pt)}${`
`}`})}function xs({isError:e}){return e?o`<span class="line-stream" role="img" aria-label="stderr" title="stderr">!</span>`:o`<span class="line-stream"></span>`}function No(e){let t=new Se;return t.add(e),t.finish(),t}function pt({text:e,classes:t,isHit:n}){let s=t?o`<span class=${t}>${e}</span>`:e;return n?o`<mark>${s}</mark>`:s}var Os=100,Io=200,Lo=["ArrowUp","PageUp","Home"];function Do(e,t,n,s,r){let a=j(null),i=b({top:0,height:480,columns:80}),l=b(r),$=j(0),u=j({first:0,last:0}),d=j({before:0,now:0,at:0}),p=j({columns:null,rows:new Map}),m=b(0),h=He.value?i.value.columns:null;p.current.columns!==h&&(p.current={columns:h,rows:new Map});let f=z(()=>vs(e,h,p.current.rows,n),[e,t,n,h,m.value]),k=()=>{let{top:x,height:W}=i.value,we=je=>f.numberAt($t(je,f));return{first:we(Math.ceil(x/ae)),last:we(Math.floor((x+W)/ae)-1)}},v=()=>a.current.scrollHeight-a.current.clientHeight,y=()=>performance.now()-d.current.at<Io?d.current.before:v(),C=()=>{let{scrollTop:x,clientHeight:W}=a.current;i.value={...i.value,top:x,height:W},u.current=k()},T=x=>f.begins(f.indexOf(x))*ae,V=x=>{a.current.scrollTop=x,$.current=a.current.scrollTop,C()},Ae=x=>{l.value=!1,V(Math.max(T(x)-a.current.clientHeight/2,0))},de=()=>{l.value=!0,V(a.current.scrollHeight)},ge=()=>{a.current.scrollTop>0&&(l.value=!1)},X=()=>{let{scrollTop:x}=a.current;return x<$.current&&x<v()-ae},Ht=()=>{let{scrollTop:x}=a.current;X()?l.value=!1:x>$.current&&x>y()-ae&&(l.value=!0),$.current=x,C()};return ye(()=>{d.current={before:d.current.now,now:v(),at:performance.now()},l.value&&X()&&(l.value=!1),l.value&&de()},[t,n===null,h,m.value,i.value.height]),ye(()=>{if(l.value)return;let{first:x,last:W}=u.current;s!==null&&s>=x&&s<=W?Ae(s):V(T(x))},[n===null,h]),ye(()=>{let x=new ResizeObserver(()=>{let W=a.current.querySelector(".is-ruler .line-text"),we=W.firstElementChild.getBoundingClientRect().width/Os,{clientHeight:je}=a.current;i.value={...i.value,height:je,columns:Math.max(Math.floor(W.clientWidth/we),1)},l.peek()&&de()});return x.observe(a.current),()=>x.disconnect()},[]),{element:a,view:i,sticks:l,layout:f,toEnd:de,visible:k,show:Ae,measure:x=>{if(h===null)return;let W=!1;for(let we of x.children){let je=Number(we.dataset.number),kn=f.indexOf(je),xn=Math.max(Math.round(we.offsetHeight/ae),1);xn!==f.begins(kn+1)-f.begins(kn)&&(p.current.rows.set(je,xn),W=!0)}W&&(m.value+=1)},handlers:{onScroll:Ht,onWheel:({deltaY:x})=>x<0&&ge(),onTouchMove:ge,onKeyDown:({key:x})=>Lo.includes(x)&&ge()}}}var Po=8;function Ho(e,t,n){let s=z(()=>n&&new Re(n),[e,n]),r=b(0);return q(()=>{if(s===null)return;let a,i=()=>{let l=performance.now(),$=s.advance(e,()=>performance.now()-l>Po);r.value+=1,$||(a=setTimeout(i))};return i(),()=>clearTimeout(a)},[s,t]),r.value>=0&&s!==null?s.hits:[]}async function qo(e,t){let n=[];for await(let{piece:r}of ke(`/job-runs/${e}/logs`,[["attempt",t]]))n.push(r);let s=document.createElement("a");s.href=URL.createObjectURL(new Blob(n,{type:"text/plain"})),s.download=`${e}-${t}.log`,s.click(),URL.revokeObjectURL(s.href)}var Fo=1e3,Jo=80;function Bo(e,t){let n=()=>({log:new Se,version:0,isGrowing:!0,error:null}),s=b(n());return q(()=>{let r=new AbortController;s.value=n();let{log:a}=s.value,i=l=>s.value={...s.value,version:s.value.version+1,...l};return Wo(e,t,a,r.signal,i),()=>r.abort()},[e,t]),s.value}async function Wo(e,t,n,s,r){let a=0,i,l=()=>{i=void 0,s.aborted||r({error:null})};for(;!s.aborted;){try{let $=[["attempt",t],["offset",a],["follow",!0]];for await(let{piece:d,bytes:p}of ke(`/job-runs/${e}/logs`,$,s))n.add(d),a+=p,i??=setTimeout(l,Jo);clearTimeout(i),i=void 0;let u=await Uo(e,t,s);if(s.aborted||(u&&n.finish(),r({error:null,isGrowing:!u}),u))return}catch($){if(s.aborted)return;let u=K($),d=u.status!==void 0&&u.status>=400&&u.status<500;if(r(d?{error:u,isGrowing:!1}:{error:u}),d)return}await new Promise($=>setTimeout($,Fo))}}async function Uo(e,t,n){let{data:{run:s}}=await g(`/job-runs/${e}`,[],n);return s.completedAt!==null||s.attempt>t}var Vo=1e3,Go=4,Xo=3,Ss=new Map;function As({runs:e,group:t}){let n=c.failures.logs,s=b(Ss.get(t)??null),r=b(s.value?.sought??""),a=j(null),i=u=>{s.value=u,Ss.set(t,u)},l=()=>{a.current?.abort(),a.current=new AbortController,Yo(e,r.value,a.current.signal,i)};return q(()=>(s.value?.results.includes(void 0)&&l(),()=>a.current?.abort()),[]),o`<section class="stack">
		<form class="group" role="search" onSubmit=${u=>{u.preventDefault(),l()}}>
			<input type="search" required aria-label=${n.search} placeholder=${n.search} value=${r.value}
				onInput=${G(r)} />
			<button>${n.go}</button>
		</form>
		${s.value&&o`<${Ko} ...${s.value} />`}
	</section>`}function Ko({sought:e,results:t}){let n=c.failures.logs,s=t.filter(i=>i!==void 0),r=s.filter(({hits:i})=>i),a=s.filter(({hits:i})=>i===null).length;return o`<p class="quiet" role="status">
			${n.searched(r.length,s.length,t.length)}${a>0&&` ${n.unread(a)}`}
		</p>
		<ul class="stack found-logs">
			${r.map(({run:i,hits:l,lines:$})=>o`<li key=${i.id}>
				<p><${F} id=${i.id} /> · <${O}
					to=${{view:"run",id:i.id,tab:"log",words:[["attempt",i.attempt],["find",e]]}}>
					${n.hits(l??0)}<//></p>
				<pre class="json" tabindex="0"><code>${$.map(u=>o`${u.map(pt)}${`
`}`)}</code></pre>
			</li>`)}
		</ul>`}async function Yo(e,t,n,s){let r=dt(t);if(!r)return;let a=Array.from(e,()=>{}),i=0,l=async()=>{for(;i<e.length&&!n.aborted;){let $=i;i+=1;let u=await zo(e[$],r,n);if(n.aborted)return;a[$]=u,s({sought:t,results:[...a]})}};s({sought:t,results:a}),await Promise.all(Array.from({length:Go},l))}async function zo(e,t,n){if(e.attempt===0)return{run:e,hits:0,lines:[]};let s=new Se;try{let i=[["attempt",e.attempt],["last",Vo]];for await(let{piece:l}of ke(`/job-runs/${e.id}/logs`,i,n))s.add(l)}catch{return{run:e,hits:null,lines:[]}}s.finish();let r=new Re(t);r.advance(s,()=>!1);let{hits:a}=r;return{run:e,hits:a.length,lines:a.slice(0,Xo).map(i=>Je(s.line(i),t))}}var Zo=/(^<|[\\/](site-packages|dist-packages|python3[^\\/]*|apphub_jobs)[\\/])/,Qo=/^ {2}File "(?<file>[^"]+)", line (?<line>\d+), in (?<name>.+)$/;function js(e){let t=e.split(`
`);return t.flatMap((s,r)=>{let a=Qo.exec(s)?.groups;if(!a||Zo.test(a.file))return[];let i=t[r+1]??"",l=i.startsWith("    ")?i.trim():"";return[{file:a.file,line:Number(a.line),name:a.name,code:l}]}).reverse()}var Ms=e=>e.split(/[\\/]/).slice(-2).join("/");var Es=["failed","expired"],ea=50,ta=5e3;function _s({run:e,related:t,worker:n}){let s=e.context?.stack;return o`<section class="card stack failure" aria-label=${c.run.failed.title}>
		<h2>${c.run.failed.title} <code class="quiet">${e.failureReason}</code></h2>
		${e.errorMessage&&o`<p class="error-message" tabindex="0"><code>${e.errorMessage}</code></p>`}
		<div class="cards">
			${typeof s=="string"&&o`<${na} stack=${s} />`}
			<${aa} run=${e} related=${t} worker=${n} />
		</div>
		<${sa} run=${e} />
		<div>
			<h3>${c.run.parameters}</h3>
			<${Q} value=${e.parameters} label=${c.run.parameters} />
		</div>
	</section>`}function na({stack:e}){let t=c.run.failed,n=js(e);return o`<div class="stack">
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
	</div>`}function sa({run:e}){let t=c.run.failed,n=w(s=>oa(e,s),[e.id,e.attempt]);return o`<div>
		<h3>${t.lastLines} · <${O} to=${{view:"run",id:e.id,tab:"log"}}>${t.wholeLog}<//></h3>
		<${S} asked=${n} lines=${3}>
			${s=>s?o`<${ra} lines=${s} />`:o`<p class="quiet">${c.run.log.empty}</p>`}
		<//>
	</div>`}function ra({lines:e}){let t=j(null);return q(()=>{t.current?.scrollTo(0,t.current.scrollHeight)},[e]),o`<pre class="json" tabindex="0" ref=${t}><code><${ks} text=${e} /></code></pre>`}async function oa({id:e,attempt:t},n){if(t===0)return"";let s=[],r=[["attempt",t],["last",ea]];for await(let{piece:a}of ke(`/job-runs/${e}/logs`,r,n))s.push(a);return s.join("").trimEnd()}var Yt=({worker:e})=>o`<${O} to=${{view:"runs",words:[["worker",e]]}}><code>${e}</code><//>`;function aa({run:e,related:t,worker:n}){let s=c.run.failed;return o`<div class="stack">
		${n&&o`<p>${c.run.worker}: <${Yt} worker=${n} /></p>`}
		${_.value?o`<p class="note">${c.past.notHere}</p>`:o`<${ia} run=${e} related=${t} />`}
		<p>
			<${O} to=${{view:"runs",words:[["job",e.slug],["status","failed,expired"]]}}>${s.others(e.slug)}<//>
		</p>
	</div>`}function ia({run:e,related:t}){let n=c.run.failed;return o`<${S} asked=${t} lines=${2}>${({failureGroup:r,retries:a})=>o`
		${r&&o`<p>
			${n.group}: <${O} to=${{view:"failures",id:r.fingerprint}}>${r.title}<//>,${" "}
			<strong>${c.failures.times(r.count+r.recovered)}</strong>
			${r.recovered>0&&`, ${c.failures.recovered(r.recovered)}`}
		</p>`}
		<p>${a.length>0?n.retried:n.notRetried}</p>
		<${Be} runs=${a} origin=${e} />
	`}<//>`}var Be=({runs:e,origin:t})=>e.length>0&&o`<ul class="needs">
		${e.map(({id:n,status:s,createdAt:r,parameters:a})=>o`<li key=${n}>
			<${F} id=${n} /> <${M} status=${s} /> <small><${A} at=${r} /></small>
			${JSON.stringify(a)!==JSON.stringify(t.parameters)&&o`
				<${O} to=${zt(n,t.id)}>${c.run.failed.otherParameters}<//>
			`}
		</li>`)}
	</ul>`,zt=(e,t)=>({view:"run",id:e,tab:"data",compare:t}),la={failureGroup:null,retries:[],bulkOperation:null};function Rs(e,t){let n=e.completedAt!==null,s=_.value===""&&(n||e.context?.retryOf!==void 0);return w(async r=>s?(await g(`/job-runs/${e.id}/related`,[],r)).data:la,[e.id,s],{newer:[t],everyMs:n?ta:void 0})}var ca=["open","resolved","ignored"];function ua(){let{words:e,id:t}=E.value,n=Object.fromEntries(e),s=n.status??"open",r=JSON.stringify([t,s,n.job,_.value]),a=j({list:r,count:0});a.current.list!==r&&(a.current={list:r,count:0});let i=w(d=>An(p=>Ts(t,s,n.job,d,p),a.current.count),[t,s,n.job]);H("failures",i.again);let l=d=>P({id:"",words:[["status",d],...e.filter(([p])=>p!=="status")]}),$=()=>P({words:e.filter(([d])=>d!=="job")}),u=async d=>{let p=await Ts("",s,n.job,void 0,d);return a.current.count=Math.max(a.current.count,i.answer?.rows.length??0)+p.rows.length,p};return o`<div class="screen-head">
			<h1>${c.failures.title}</h1>
			<div class="group" role="group" aria-label=${c.runs.columns.status}>
				${ca.map(d=>o`
					<button key=${d} aria-pressed=${!t&&d===s} onClick=${()=>l(d)}>${d}</button>
				`)}
			</div>
			${!t&&n.job&&o`<${Fe} word=${["job",n.job]} remove=${$} />`}
		</div>
		<${S} asked=${i} list=${t&&"failures"}>
			${({rows:d})=>o`<${da} key=${r} groups=${d} job=${n.job} asked=${i} load=${u} />`}
		<//>`}async function Ts(e,t,n,s,r=null){return e?{rows:[await $a(e,s)],next:null}:fe("/failures",[["status",t],["job",n],...N.value],r,s)}async function $a(e,t){if(_.value==="")return(await g(`/failures/${Y(e)}`,[],t)).data;let s=(await re("/failures",N.value,t)).find(({fingerprint:r})=>r===e);if(!s)throw new On(404,"failure_not_found",c.failures.notThen);return s}function da({groups:e,job:t,asked:n,load:s}){let r=pa(e),a=ma(r);return r.length===0?o`<${I} title=${c.failures.empty} hint=${t?c.failures.emptyOfJob(t):c.failures.emptyHint} />`:o`<ul class="stack">
			${r.map(i=>o`
				<${ba} key=${i.fingerprint} group=${i} trend=${a.get(i.fingerprint)} again=${n.again}
					isOpen=${E.value.id===i.fingerprint} />
			`)}
		</ul>
		<${he} asked=${n} load=${s} />`}function pa(e){let t=j([]);t.current=Kn(t.current,e.map(({fingerprint:r})=>r));let n=new Map(t.current.map((r,a)=>[r,a])),s=({fingerprint:r})=>n.get(r)??0;return e.toSorted((r,a)=>s(r)-s(a))}var fa=864e5,ft=18e5,Ls=1e4,Cs=100;function ma(e){let t=e.map(({fingerprint:s})=>s);return w(s=>ha(t,s),[t.toSorted().join(","),Ze.value],{everyMs:Ls}).answer??new Map}async function ha(e,t){if(_.value||e.length===0)return new Map;let n=[];for(let u=0;u<e.length;u+=Cs)n.push(e.slice(u,u+Cs));let s=Math.ceil(ze.value/ft)*ft,[r,a]=[s-fa,s].map(u=>new Date(u).toISOString()),i={from:r,to:a,bucketMs:ft},l=await Promise.all(n.map(u=>g("/failures/over-time",[["group",u.join(",")],["from",r],["bucketMs",ft]],t))),$=({fingerprint:u,since:d,buckets:p})=>{let m=p.reduce((h,{failures:f})=>h+f,0);return[u,{buckets:Zn(p,i),failed:m,isWhole:Date.parse(d)<=Date.parse(r),since:d}]};return new Map(l.flatMap(({data:u})=>u).map($))}var va={open:["resolve","ignore"],resolved:["reopen"],ignored:["reopen"]},Zt=ie(""),Ns=new Map;function ba({group:e,trend:t,again:n,isOpen:s}){let r=`${s} ${e.fingerprint}`,a=b(Ns.get(r)??s),{fingerprint:i,title:l,job:$,reason:u,frame:d,status:p,count:m,recovered:h,firstAt:f,lastAt:k,affectedVersions:v,sampleRun:y,resolvedInVersion:C}=e,T=c.failures,V=X=>J(()=>L(`/failures/${i}/${X}`).then(n),T.done[X]),Ae=({target:X})=>{a.value=X.open,Ns.set(r,X.open)},de=[["failureGroup",i]],ge=p==="resolved"&&m===0&&C===null;return o`<li class="card stack">
		<div class="screen-head">
			<${M} status=${p} />
			<h2 class="failure-title">${l}</h2>
			${R.value&&o`<div class="actions">
				${p==="open"&&o`
					<button onClick=${()=>Zt.value=i}>${T.retryAll} …</button>
				`}
				${va[p].map(X=>o`<button key=${X} onClick=${()=>V(X)}>${T[X]}</button>`)}
			</div>`}
		</div>
		<p>
			<${ee} slug=${$} /> · <code>${u}</code> ${d&&o`· <code>${d}</code>`} ·${" "}
			${T.versions(v)}
		</p>
		<p>
			<strong>${T.times(m+h)}</strong>${h>0&&`, ${T.recovered(h)}`} ·${" "}
			${T.first} <${A} at=${f} /> · ${T.last} <${A} at=${k} /> · ${T.sample}:${" "}
			<${F} id=${y} /> · <${O} to=${{view:"runs",words:de}}>${c.runs.title}<//>
		</p>
		${h>0&&o`<p class="quiet">${ge?T.allRecovered:T.howRecovered}</p>`}
		${t&&o`<p><${it} buckets=${t.buckets} /> <small>${t.isWhole?T.day(t.failed):T.since(t.failed,se(t.since))}</small></p>`}
		<details open=${a.value} onToggle=${Ae}>
			<summary>${T.details}</summary>
			${a.value&&o`<${ka} group=${e} />`}
		</details>
		${Zt.value===i&&o`
			<${lt} action="retry" words=${[["job",$],...de,["retried","false"]]} onClose=${()=>Zt.value=""} />
		`}
	</li>`}var ga=50,wa=10,Is=30,ya=1e3;function ka({group:e}){let{fingerprint:t,lastAt:n}=e,s=[["failureGroup",t],["limit",ga],...N.value],r=w(async a=>(await g("/job-runs",s,a)).data.map(({run:i})=>i),[t],{newer:[n]});return o`<${S} asked=${r}>
		${a=>o`<${xa} runs=${a} fingerprint=${t} lastAt=${Date.parse(n)} />`}
	<//>`}function xa({runs:e,fingerprint:t,lastAt:n}){let s=c.failures;if(e.length===0)return o`<${I} title=${s.noRuns} hint=${s.noRunsHint} />`;let r=Math.min(...e.map(({completedAt:l})=>l?Date.parse(l):n)),a=Math.max((n-r)/(Is-1),ya),i=Qn(e,n,Is,a);return o`<div class="stack">
		${e.length>1&&o`<${qn} buckets=${i} text=${s.trend(e.length,D(n-r))}
			told=${({all:l})=>s.times(l)} />`}
		<${Oa} runs=${e.slice(0,wa)} />
		<${As} runs=${e} group=${t} />
	</div>`}function Oa({runs:e}){let t=e.map(({id:r})=>r),{answer:n}=w(r=>Sa(t,r),[t.join()],{everyMs:Ls}),s={name:"repeated",title:c.run.facts.repeated,cell:r=>o`<${Be} runs=${n?.get(r.id)??[]} origin=${r} />`};return o`<${ue} runs=${e} isBrief more=${_.value?[]:[s]} />`}async function Sa(e,t){if(_.value)return new Map;let n=await Promise.all(e.map(s=>g(`/job-runs/${s}/related`,[["limit",1]],t)));return new Map(n.map(({data:s},r)=>[e[r],s.retries]))}function mt(e){let t=c.jobs.limitOf,{maxConcurrentRuns:n,concurrencyKey:s,concurrencyLimit:r,rateLimit:a,fairnessKey:i,workerLabels:l}=e,$=Object.entries(l??{}).map(([u,d])=>`${u}=${d}`);return[n&&t.runs(n),s&&t.key(s,r),a&&t.rate(a.limit,D(a.periodMs)),i&&t.turns(i),...$].filter(u=>typeof u=="string")}var Aa=["id","slug","version","createdAt","updatedAt","paused"];function Ps(e){return Object.fromEntries(Object.entries(e).filter(([t])=>!Aa.includes(t)))}function Hs(e,t){let n=[...new Set([...Object.keys(e),...Object.keys(t)])],s=r=>JSON.stringify(e[r])!==JSON.stringify(t[r]);return Object.fromEntries(n.filter(s).map(r=>[r,t[r]??null]))}var ja=["job_definition.registered","job_definition.registered_again"];function qs(e){let t={};return e.map(({position:s,type:r,occurredAt:a,actor:i,data:l})=>{let $=t;ja.includes(r)?t=l.spec??{}:r==="job_definition.revised"&&(t={...t,...l.changes});let u=r==="job_definition.registered"?[]:Qt($,t),d=r.replace("job_definition.","").replaceAll("_"," "),{version:p,reason:m=null}=l;return{position:s,kind:d,version:p,at:a,by:i,reason:m,changes:u}}).reverse()}var Ma=new Set(["id","createdAt","updatedAt","scheduledAt","startedAt","completedAt","logsUrl","idempotencyKey"]);function Qt(e,t){let n=[],s=new Set([...Object.keys(e),...Object.keys(t)]);for(let r of s)Ma.has(r)||Fs(r,e[r],t[r],n);return n}function Fs(e,t,n,s){if(Ds(t)&&Ds(n)&&Array.isArray(t)===Array.isArray(n)){let r=new Set([...Object.keys(t),...Object.keys(n)]);for(let a of r)Fs(`${e}.${a}`,t[a],n[a],s)}else Object.is(t,n)||s.push({path:e,before:t,after:n})}var Ds=e=>typeof e=="object"&&e!==null;var Ea=["string","integer","number","boolean"];function en(e){let t=ht("",e??{},!0,e??{},0);return t.kind==="json"&&_a(e??{})?{...t,kind:"object",fields:[]}:t}var _a=e=>Object.keys(e).every(t=>["type","title","description","$schema","$defs"].includes(t));function ht(e,t,n,s,r){let{schema:a,isNullable:i}=Na(tn(t,s),s),l={name:e,title:e,hint:"",kind:"json",isRequired:n,isNullable:i};if(!a||r>6)return l;let{title:$=e,format:u,type:d}=a,p={...l,title:$,hint:[a.description,...Ca(a)].filter(Boolean).join(" \xB7 "),..."default"in a&&{initial:a.default},isSecret:a.writeOnly===!0||u==="password"},m=a.enum??("const"in a?[a.const]:void 0);if(m)return{...p,kind:"choice",choices:m};let h=a.oneOf??a.anyOf;if(h&&!a.properties)return Ra(p,h,s,r);if(h||a.allOf||a.patternProperties||a.prefixItems)return p;if(d==="string")return{...p,kind:d,format:u,isLong:!u&&!((a.maxLength??1/0)<=100)};if(Ea.includes(d))return{...p,kind:d};if(a.properties){let f=a.required??[],k=Object.entries(a.properties).map(([v,y])=>ht(v,y,f.includes(v),s,r+1));return{...p,kind:"object",fields:k.sort((v,y)=>Number(y.isRequired)-Number(v.isRequired))}}return d==="array"&&a.items?{...p,kind:"array",item:{...ht("",a.items,!0,s,r+1),title:""}}:p}function Ra(e,t,n,s){let r=t.map((a,i)=>{let l=ht(e.name,a,!0,n,s+1),$=(l.fields??[]).filter(({kind:d,choices:p})=>d==="choice"&&p?.length===1),u=l.title!==e.name&&l.title?l.title:$[0]?.choices?.[0]??Ta(l);return{...l,title:String(u||i+1)}});return{...e,kind:"union",options:r}}var Ta=({kind:e,choices:t})=>t?t.map(String).join(", "):e;function Ca(e){let t=($,u,d)=>$!==void 0&&u!==void 0?`${$} to ${u}${d}`:$!==void 0?`at least ${$}${d}`:u!==void 0?`at most ${u}${d}`:"",{minimum:n,maximum:s,exclusiveMinimum:r,exclusiveMaximum:a,multipleOf:i,pattern:l}=e;return[t(n,s,""),r!==void 0&&`more than ${r}`,a!==void 0&&`less than ${a}`,i!==void 0&&`a multiple of ${i}`,t(e.minLength,e.maxLength," characters"),t(e.minItems,e.maxItems," entries"),l!==void 0&&`as ${l}`].filter(Boolean)}function tn(e,t,n=0){if(typeof e!="object"||e===null)return{};if(!e.$ref)return e;let r=(e.$ref==="#"?[]:e.$ref.startsWith("#/")?e.$ref.slice(2).split("/"):null)?.reduce((a,i)=>a?.[i.replaceAll("~1","/").replaceAll("~0","~")],t);return!r||n>6?null:{...tn(r,t,n+1),...e,$ref:void 0}}function Na(e,t){if(!e)return{schema:null,isNullable:!1};let n=e.anyOf?"anyOf":"oneOf",s=Array.isArray(e.type)?e.type.map(u=>({type:u})):e[n];if(!s)return{schema:e,isNullable:!1};let r=s.filter(({type:u})=>u!=="null"),a=r.length<s.length,{[n]:i,type:l,...$}=e;return r.length===1?{schema:{...tn(r[0],t),...$},isNullable:a}:{schema:{...$,anyOf:r},isNullable:a}}function Te(e,t){if(t===void 0||e.kind==="choice"&&e.choices?.some(n=>Ia(n,t)))return!0;if(t===null)return e.isNullable||e.kind==="json";switch(e.kind){case"string":return typeof t=="string";case"integer":return Number.isSafeInteger(t);case"number":return typeof t=="number";case"boolean":return typeof t=="boolean";case"choice":return!1;case"array":return Array.isArray(t);case"union":return!!e.options?.some(n=>vt(n,t));case"object":return typeof t=="object"&&!Array.isArray(t);default:return!0}}var Ia=(e,t)=>JSON.stringify(e)===JSON.stringify(t);function vt(e,t){return t===void 0||!Te(e,t)?!1:e.kind==="array"&&t!==null?t.every(n=>vt(e.item,n)):e.kind!=="object"||t===null?!0:(e.fields??[]).every(n=>t[n.name]===void 0?!n.isRequired:Te(n,t[n.name]))}function Js({options:e=[]},t,n){if(e[n]&&vt(e[n],t))return n;let s=e.findIndex(r=>vt(r,t));return s===-1?n:s}function nn({kind:e,isRequired:t,isNullable:n,initial:s}){let r=s!=null;if(!(!t&&!r))return n?null:e==="string"?"":void 0}var Bs=(e,t)=>Object.keys(t??{}).filter(n=>!e.fields?.some(s=>s.name===n));function bt(e){if(e.initial!==void 0)return e.initial;switch(e.kind){case"choice":return e.choices?.[0];case"string":return"";case"integer":case"number":return 0;case"boolean":return!1;case"array":return[];case"object":return gt(e);case"union":return e.options?.[0]?bt(e.options[0]):null;default:return null}}function gt(e){let t=(e.fields??[]).map(n=>n.initial!==void 0?[n.name,n.initial]:n.isRequired&&n.kind==="choice"&&n.choices?.length===1?[n.name,n.choices[0]]:n.isRequired&&n.kind==="object"?[n.name,gt(n)]:[n.name,void 0]);return Object.fromEntries(t.filter(([,n])=>n!==void 0))}var We=({isSecret:e,item:t,fields:n=[],options:s=[]})=>!!(e||t&&We(t)||n.some(We)||s.some(We));function Ue(e){return typeof e=="number"?Number.isInteger(e)&&!Number.isSafeInteger(e):typeof e=="object"&&e!==null&&Object.values(e).some(Ue)}function Ce(e){try{let t=JSON.parse(e);return typeof t=="object"&&!Array.isArray(t)?t:null}catch{return null}}function Ws(e,t,n){let{[t]:s,...r}=e;return n===void 0?r:{...e,[t]:n}}function Us(e,t){let n=`/parameters${t}`;return e.filter(s=>s.path===n).map(({message:s})=>s)}var sn=matchMedia("(min-width: 1100px)"),Ks=ie(sn.matches);sn.addEventListener("change",()=>Ks.value=sn.matches);var Ne=ie(new Map),wt={order:"",key:""};function kt({job:e,origin:t,onLaunched:n=()=>{}}){let s=c.jobs,r=`${e.slug} ${t?.id??""}`,a=b({message:"",issues:[]}),i=()=>Ne.value.get(r)??La(e,t),{draft:l,options:$}=i(),u=Da(t?.parameters??{}),d=f=>Ne.value=new Map(Ne.value).set(r,{...i(),...f}),p=()=>Ne.value=new Map([...Ne.value].filter(([f])=>f!==r)),m=()=>{p(),a.value={message:"",issues:[]}};return o`<form class="stack launch" onSubmit=${async f=>{f.preventDefault();let k=xt(l,e);if(a.value={message:k?"":s.badJson,issues:[]},!!k)try{let{path:v,body:y}=qa(e,{...Qs($),parameters:k},t),C=`${v} ${JSON.stringify(y)}`;wt.order!==C&&(wt={order:C,key:oe()});let{data:T}=await L(v,y,{"Idempotency-Key":wt.key});wt={order:"",key:""},p(),B(s.launched(T.id)),n(),U({view:"run",id:T.id})}catch(v){let{message:y,issues:C=[]}=K(v);a.value={message:v instanceof SyntaxError?s.badContext:y,issues:C},on(f.target)}}} noValidate>
		${t&&o`<p class="quiet">${s.rerunOf} <${F} id=${t.id} /></p>`}
		${u.length>0&&o`<p class="note">${s.erased} ${u.map(f=>o`<code key=${f}>${f}</code> `)}</p>`}
		<${an} job=${e} draft=${l} onChange=${f=>d({draft:f})}
			issues=${a.value.issues} isWrong=${a.value.message!==""} showsBoth=${Ks.value} />
		<${Fa} options=${$} onChange=${f=>d({options:f})}
			issues=${a.value.issues} />
		${a.value.message&&o`<p class="problem" role="alert">${a.value.message}</p>`}
		<div class="actions">
			<button class="main">${s.launch}</button>
			${Ne.value.has(r)&&o`<button type="button" onClick=${m}>${s.discard}</button>`}
		</div>
	</form>`}var La=(e,t)=>({draft:{typed:t&&zs(t.parameters),raw:null},options:t?Zs(t,e):{}}),Ys="[erased]",Da=e=>Object.keys(e).filter(t=>e[t]===Ys),zs=e=>Object.fromEntries(Object.entries(e).filter(([,t])=>t!==Ys)),on=e=>requestAnimationFrame(()=>e.querySelector("[aria-invalid]")?.focus());function xt({typed:e,raw:t},n){return t!==null?Ce(t):e??{...gt(en(n?.parametersSchema)),...Pa(n?.defaultParameters)}}function an({job:e,draft:t,onChange:n,issues:s,isWrong:r,showsBoth:a=!1}){let i=c.jobs,l=z(()=>en(e.parametersSchema),[e.parametersSchema]),$=l.kind==="union"||l.kind==="object"&&l.fields?.length,u=xt(t,e),d=u===null,p=a&&$&&!We(l),m=t.raw!==null||!$,h=t.raw??JSON.stringify(u,null,2),f=({target:V})=>n({typed:Ce(V.value)??u??t.typed,raw:V.value}),k=V=>n({typed:V,raw:null}),v=({target:V})=>{V.checked?n({...t,raw:h}):d||k(u)},y=d||r&&!p,C=o`<textarea rows="10" aria-label=${c.run.parameters} aria-invalid=${y?"true":void 0}
		value=${h} onInput=${f}></textarea>`,T=o`<fieldset class="plain-group" disabled=${d}>
		<${l.kind==="union"?rr:tr} field=${l} value=${u??t.typed} path="" common=${{id:"field"}}
			issues=${s} onChange=${k} />
	</fieldset>`;return o`
		${p?o`<div class="beside">
				${T}
				<div class="as-json"><span class="quiet">${i.raw}</span>${C}${d&&!r&&o`<p class="problem">${i.badJson}</p>`}</div>
			</div>`:o`
				${$&&o`
					<label class="check"><input type="checkbox" checked=${m} disabled=${d} onChange=${v} />${i.raw}</label>
				`}
				${m?C:T}
			`}
		${Ue(u)&&o`<p class="note" role="status">${i.rounded}</p>`}
	`}function Pa(e){return Object.fromEntries(Object.entries(e??{}).filter(([,t])=>t!==null))}var yt=["delayMs","timeoutMs","maxAttempts","priority","startDeadlineMs"];function Zs(e,t){let{retryOf:n,rerunOf:s,...r}=e.context??{},a=(i,l)=>i==null||i===l?"":String(i);return{delayMs:a(e.delayMs,0),timeoutMs:a(e.timeoutMs,t.timeoutMs),maxAttempts:a(e.maxAttempts,t.retryPolicy?.maxAttempts??1),priority:a(e.priority,t.priority??0),startDeadlineMs:a(e.startDeadlineMs,t.startDeadlineMs),context:Object.keys(r).length>0?JSON.stringify(r,null,2):""}}function Qs(e){let t=yt.filter(s=>(e[s]??"")!=="").map(s=>[s,Number(e[s])]),n=e.context?Ce(e.context):{};if(n===null)throw new SyntaxError("the context is no JSON object");return{...Object.fromEntries(t),...Object.keys(n).length>0&&{context:n}}}var Ha=Object.fromEntries([...yt,"context"].map(e=>[e,null]));function qa(e,t,n){if(n?.completedAt)return{path:`/job-runs/${n.id}/retry`,body:{...Ha,...t}};let s=n&&{context:{...t.context,rerunOf:n.id}};return{path:`/jobs/${e.slug}/run`,body:{...t,...s}}}var er=(e,t)=>({slug:e.slug,body:{parameters:zs(t.parameters),...Qs(Zs(t,e))}});function Fa({options:e,onChange:t,issues:n}){let s=c.jobs.options,r=$=>n.filter(({path:u})=>u===`/${$}`).map(({message:u})=>u),a=$=>({target:u})=>t({...e,[$]:u.value}),i=b(Object.values(e).some(Boolean)),l=({target:$})=>i.value=$.open;return o`<details open=${i.value||[...yt,"context"].some($=>r($).length>0)} onToggle=${l}>
		<summary>${s.title}</summary>
		<div class="options">
			${yt.map($=>o`<label key=${$}>
				${s[$]}
				<input type="number" value=${e[$]??""} onInput=${a($)}
					aria-invalid=${r($).length>0?"true":void 0} />
				${r($).map(u=>o`<span class="problem" key=${u}>${u}</span>`)}
			</label>`)}
			<label>${s.context}<textarea rows="2" value=${e.context??""} onInput=${a("context")}></textarea></label>
		</div>
	</details>`}function tr({field:e,value:t,path:n,issues:s,onChange:r}){let a=i=>l=>r(Ws(t??{},i,l));return o`
		${(e.fields??[]).map(i=>o`<${rn} key=${i.name} field=${i} value=${t?.[i.name]}
			path=${`${n}/${Vs(i.name)}`} issues=${s} onChange=${a(i.name)} />`)}
		${Bs(e,t).map(i=>o`<${rn} key=${i} field=${Ja(i)} value=${t[i]}
			path=${`${n}/${Vs(i)}`} issues=${s} onChange=${a(i)} />`)}
	`}var Vs=e=>e.replaceAll("~","~0").replaceAll("/","~1"),Ja=e=>({name:e,title:e,hint:c.jobs.unlisted,kind:"json",isRequired:!1,isNullable:!0});function rn({field:e,value:t,path:n,issues:s,onChange:r}){let a=Us(s,n),i=`field${n}`,l=[e.hint&&`${i}-hint`,a.length>0&&`${i}-wrong`].filter(Boolean).join(" ")||void 0,$={id:i,"aria-describedby":l,"aria-invalid":a.length>0?"true":void 0,"aria-required":e.isRequired},u=j({value:t,kind:Te(e,t)?e.kind:"json"});u.current.value!==t&&(u.current={value:t,kind:Te(e,t)?e.kind:"json"});let{kind:d}=u.current,p=k=>{u.current={value:k,kind:d},r(k)},m=["object","array","union"].includes(d),h=o`<${nr[d]}
		field=${e} value=${t} path=${n} issues=${s} common=${$} onChange=${p} />`,f=o`<bdi>${e.title}</bdi> ${e.isRequired&&o`<small>${c.jobs.required}</small>`}`;return o`<div class="field">
		${m?o`<fieldset aria-describedby=${l}><legend>${f}</legend>${h}</fieldset>`:o`<label for=${i}>${f}</label>${h}`}
		${e.hint&&o`<small id=${`${i}-hint`}>${e.hint}</small>`}
		${a.length>0&&o`<p class="problem" id=${`${i}-wrong`}>${a.join("; ")}</p>`}
	</div>`}var nr={string:Wa,integer:Gs,number:Gs,boolean:Ua,choice:sr,object:tr,array:Va,union:rr,json:Ga},Ba={date:"date",email:"email",uri:"url"};function Wa({field:e,value:t,common:n,onChange:s}){let r=({target:i})=>s(i.value===""?nn(e):i.value);if(e.isSecret)return o`<input ...${n} type="password" autocomplete="new-password" value=${t??""} onInput=${r} />`;if(e.isLong||/[\r\n]/.test(t??""))return o`<textarea ...${n} class="growing" rows="1" value=${t??""} onInput=${r}></textarea>`;if(e.format==="date-time")return o`<${ln} value=${t} common=${n} set=${r} onChange=${s} />`;let a=e.format!=="date"||/^(\d{4}-\d\d-\d\d)?$/.test(t??"");return o`<input
		...${n} type=${a?Ba[e.format??""]??"text":"text"} value=${t??""} onInput=${r} />`}function ln({value:e,common:t,set:n,onChange:s}){let r=({target:a})=>a.value&&s(new Date(a.value).toISOString());return o`<div class="group">
		<input ...${t} value=${e??""} placeholder="2026-12-24T18:00:00Z" onInput=${n} />
		<input type="datetime-local" step="1" aria-label=${c.jobs.pick} title=${c.jobs.pick} onChange=${r} />
	</div>`}function Gs({field:e,value:t,common:n,onChange:s}){let r=({target:a})=>s(a.value===""?nn(e):a.valueAsNumber);return o`<input
		...${n} type="number" step=${e.kind==="integer"?1:"any"} value=${t??""} onInput=${r} />`}function Ua(e){let{field:t,value:n,common:s,onChange:r}=e;return n==null?o`<${sr} ...${e} field=${{...t,choices:[!0,!1]}} />`:o`<input ...${s} type="checkbox" checked=${n} onChange=${({target:i})=>r(i.checked)} />`}function sr({field:{choices:e=[],isRequired:t},value:n,common:s,onChange:r}){let a=e.findIndex(l=>JSON.stringify(l)===JSON.stringify(n));return o`<select ...${s} value=${a} onChange=${({target:l})=>r(l.value==="-1"?void 0:e[Number(l.value)])}>
		${(a<0||!t)&&o`<option value="-1">–</option>`}
		${e.map((l,$)=>o`
			<option key=${$} value=${$}>${typeof l=="string"?l:JSON.stringify(l)}</option>
		`)}
	</select>`}function Va({field:e,value:t,path:n,issues:s,onChange:r}){let a=e.item,i=t??[],l=($,u)=>r(i.map((d,p)=>p===$?u:d));return o`${i.map(($,u)=>o`<div class="array-item" key=${u}>
			<${rn}
				field=${{...a,title:`${u+1}`}} value=${$} path=${`${n}/${u}`}
				issues=${s} onChange=${d=>l(u,d)} />
			<button type="button" class="plain" onClick=${()=>r(i.filter((d,p)=>p!==u))}>
				${c.jobs.remove}
			</button>
		</div>`)}
		<button type="button" onClick=${()=>r([...i,bt(a)])}>${c.jobs.item}</button>`}function rr({field:e,value:t,path:n,issues:s,common:r,onChange:a}){let{options:i=[]}=e,l=j(-1);l.current=Js(e,t,l.current);let $=l.current,u=i[$],d=j(new Map),p=({target:m})=>{d.current.set($,t),l.current=Number(m.value);let h=d.current.get(l.current);a(l.current<0?void 0:h??bt(i[l.current]))};return o`
		<select aria-label=${`${e.title} ${c.jobs.kind}`.trim()} value=${$} onChange=${p}>
			${($<0||!e.isRequired)&&o`<option value="-1">–</option>`}
			${i.map(({title:m},h)=>o`<option key=${h} value=${h}>${m}</option>`)}
		</select>
		${u&&o`<${nr[Te(u,t)?u.kind:"json"]} key=${$}
			field=${u} value=${t} path=${n} issues=${s} common=${r} onChange=${a} />`}
	`}function Ga({value:e,common:t,onChange:n}){let s=Xs(e),r=j({json:s,text:s});r.current.json!==s&&(r.current={json:s,text:s});let{text:a}=r.current;return o`<textarea ...${t} rows="3" value=${a} onInput=${({target:l})=>{let $=Xa(l.value);r.current={json:Xs($),text:l.value},n($)}}></textarea>
		${e===a&&a!==""&&o`<small>${c.jobs.asText}</small>`}`}var Xs=e=>JSON.stringify(e,null,2)??"";function Xa(e){try{return JSON.parse(e)}catch{return e===""?void 0:e}}var Ka=50,or={runs:ar,launch:ti,definition:ni,versions:ii,revise:ui};function Ya(){let{id:e}=E.value,t=w(async r=>(await g(`/jobs/${Y(e)}`,[["limit",Ka],...N.value],r)).data,[e]),{job:n,runs:s=[]}=t.answer??{};return H("jobs",t.again,r=>n!==void 0&&r.has(n.slug)),H("deletedJobs",t.again,r=>n!==void 0&&r.has(n.slug)),H("runs",t.again,r=>[...r.values()].some(({slug:a,createdAt:i,id:l})=>a===n?.slug&&i>=(s[0]?.createdAt??"")&&s.every($=>$.id!==l))),o`<${S} asked=${t} lines=${8} list="jobs">
		${r=>o`<${za} job=${r.job} runs=${r.runs} again=${t.again} />`}
	<//>`}function za({job:e,runs:t,again:n}){let{tab:s}=E.value,r=or[s]??ar,{launch:a,revise:i,...l}=c.jobs.tabs;return o`<div class="screen-head">
			<div>
				<h1>${Me(e)}</h1>
				<p class="quiet">
					<span class="id">${e.slug}</span> · ${c.jobs.columns.version.toLowerCase()} ${e.version}
				</p>
			</div>
			${R.value&&o`<div class="actions">
				<${st} paused=${e.paused} name=${e.slug} path=${`/jobs/${e.slug}`} text=${c.jobs.pauseText} again=${n} />
				${s!=="launch"&&o`<button class="main" onClick=${()=>U({view:"job",id:e.slug,tab:"launch"})}>
					${c.jobs.launch}
				</button>`}
			</div>`}
		</div>
		${e.metadata?.description&&o`<p>${e.metadata.description}</p>`}
		${e.paused&&o`
			<p class="note">
				<${M} status="paused" /> <${A} at=${e.paused.at} /> · <bdi>${e.paused.by}</bdi>
				${e.paused.reason&&o` · <bdi>${e.paused.reason}</bdi>`}
			</p>
		`}
		<${Qa} job=${e} />
		<${$i} job=${e} />
		<${nt} tabs=${R.value?c.jobs.tabs:l} current=${or[s]?s:"runs"} />
		<${r} job=${e} runs=${t} again=${n} />`}var Za=1e4;function Qa({job:e}){return w(async s=>_.value?[]:(await g("/workers/unoffered",[],s)).data,[e.slug],{everyMs:Za}).answer?.some(({slug:s})=>s===e.slug)&&o`<p class="note">${c.overview.unoffered(e.slug)} · ${c.overview.startOne(e.entryPoint)}</p>`}function ar({job:e,runs:t}){let n=ne(t,"runs",({id:s})=>s);return n.length===0?o`<${Ut} job=${e.slug} /><${ei} slug=${e.slug} />`:o`<${Ut} job=${e.slug} />
		<section class="card stack">
			<h2>${c.jobs.durations}</h2>
			<${ri} runs=${n} />
		</section>
		<div class="screen-head">
			<h2>${c.jobs.runs}</h2>
			<div class="actions"><${O} to=${{view:"runs",words:[["job",e.slug]]}}>${c.runs.title}<//></div>
		</div>
		<${ue} runs=${n} isOfOneJob />`}function ei({slug:e}){let t=c.jobs;return _.value?o`<${I} title=${c.runs.noneThen} />`:o`<${I} title=${t.noRuns} hint=${t.noRunsHint} command=${t.noRunsCommand(e)} />`}function ti({job:e}){return R.value?o`<section class="card"><${kt} job=${e} key=${e.slug} /></section>`:o`<${Oe} />`}function ni({job:e}){let t=mt(e);return o`<dl class="facts card">
			<div><dt>${c.jobs.entryPoint}</dt><dd><code>${e.entryPoint}</code></dd></div>
			<div><dt>${c.jobs.limits}</dt><dd>${t.join(", ")||c.none}</dd></div>
			<div><dt>${c.run.facts.timeout}</dt><dd>${D(e.timeoutMs)}</dd></div>
		</dl>
		<div class="cards">
			<section class="card">
				<h2>${c.jobs.schema}</h2>
				<${Q} value=${e.parametersSchema} label=${c.jobs.schema} />
			</section>
			<section class="card">
				<h2>${c.jobs.definition}</h2>
				<${Q} value=${e} label=${c.jobs.definition} />
			</section>
		</div>`}var cn=1e3,un=100,si=2;function ri({runs:e}){let t=es(e);if(t.length<si)return o`<p class="quiet">${c.jobs.needMore}</p>`;let[n,s,r]=[.5,.95,.99].map(a=>D(ts(t,a)));return o`<p>${c.jobs.percentiles(n,s,r)}</p>
		<${oi} ...${ns(e)} />`}function oi({points:e,first:t,last:n,longest:s}){return o`<figure class="plot" aria-hidden="true">
		<div class="plot-scale"><span>${D(s)}</span><span>${D(s/2)}</span><span>0</span></div>
		<svg viewBox="0 0 ${cn} ${un}" preserveAspectRatio="none">
			${[0,.5,1].map(r=>o`
				<path class="rule" key=${r} d=${`M0 ${r*un}H${cn}`} vector-effect="non-scaling-stroke" />
			`)}
			${e.map(({run:r,x:a,y:i})=>o`<path key=${r.id} class="point status-${r.status}"
				d=${`M${a*cn} ${(1-i)*un}h0.01`}>
				<title>${D(r.durationMs)} · ${c.status(r.status)} · ${se(r.completedAt??"")}</title>
			</path>`)}
		</svg>
		<figcaption><span>${se(t)}</span><span>${se(n)}</span></figcaption>
	</figure>`}var ai=1e3;function ii({job:e}){let t=[["subject",e.id]],n=w(async s=>qs((await re("/events",t,s,ai)).filter(De)),[e.id],{newer:[e.version,e.paused?.at]});return o`<${S} asked=${n}>
		${s=>o`<ol class="events">
			${s.map(r=>o`<${li} key=${r.position} change=${r} />`)}
		</ol>`}
	<//>`}function li({change:e}){let{kind:t,version:n,at:s,by:r,reason:a,changes:i}=e;return o`<li class="card">
		<header>
			<h2>${t} ${n&&c.jobs.versionOf(n)}</h2>
			<span class="quiet"><${A} at=${s} full /> · <bdi>${r}</bdi></span>
		</header>
		${a&&o`<p>${a}</p>`}
		${i.length>0&&o`<${tt} found=${i} />`}
	</li>`}var Ie=ie(new Map);function ci(e){let t=Ps(e);return{version:e.version,before:t,text:JSON.stringify(t,null,2)}}function ui({job:e,again:t}){let n=Ie.value.get(e.slug)??ci(e),s=({target:d})=>Ie.value=new Map(Ie.value).set(e.slug,{...n,text:d.value}),r=()=>Ie.value=new Map([...Ie.value].filter(([d])=>d!==e.slug)),a=b({message:"",issues:[]}),i=c.jobs;if(!R.value)return o`<${Oe} />`;let l=async d=>{d.preventDefault();try{let p=Hs(n.before,JSON.parse(n.text));if(Object.keys(p).length===0){a.value={message:i.unchanged,issues:[]};return}let{data:m}=await le("PATCH",`/jobs/${e.slug}`,{...p,version:n.version+1});r(),B(i.revised(m.version)),t(),U({view:"job",id:e.slug,tab:"versions"})}catch(p){let{message:m,issues:h=[]}=K(p);a.value={message:p instanceof SyntaxError?i.badJson:m,issues:h}}},{message:$,issues:u}=a.value;return o`<form class="card stack" onSubmit=${l}>
		<p class="quiet">${i.revisionHint}</p>
		${n.version!==e.version&&o`<p class="note" role="status">${i.newer(e.version)}</p>`}
		<textarea rows="22" aria-label=${i.definition}
			aria-invalid=${$?"true":void 0} aria-describedby=${$?"revision-problem":void 0}
			value=${n.text} onInput=${s}></textarea>
		${Ue(Ce(n.text))&&o`<p class="note" role="status">${i.rounded}</p>`}
		${$&&o`<div id="revision-problem" class="problem" role="alert">
			<p>${$}</p>
			${u.length>1&&o`<ul>${u.map(({path:d,message:p})=>o`<li key=${d+p}><code>${d}</code> ${p}</li>`)}</ul>`}
		</div>`}
		<div class="actions">
			<button class="main">${i.revise}</button>
			${Ie.value.has(e.slug)&&o`<button type="button" onClick=${r}>${i.discard}</button>`}
		</div>
	</form>`}function $i({job:e}){let{slug:t}=e,s=w(r=>g("/job-runs/counts",[["job",t],...N.value],r),[t]);return H("runs",s.again,r=>[...r.values()].some(a=>a.slug===t)),o`<${S} asked=${s} lines=${1}>${({data:r})=>o`<${di} counts=${r} job=${e} />`}<//>`}function di({counts:e,job:t}){let{slug:n,maxConcurrentRuns:s}=t,r=s&&c.jobs.used(e.running,s),a=i=>[["job",n],["status",i]];return o`<ul class="standing">
		${rt.map(i=>o`<li key=${i}>
			<${O} to=${{view:"runs",words:a(i)}}><${M} status=${i} /><//> ${pe(e[i])}
		</li>`)}
		${s&&o`<li>
			<meter min="0" max=${s} value=${e.running} aria-label=${r}></meter> <small>${r}</small>
		</li>`}
	</ul>`}function pi(){let e=w(fi,[]);H("jobs",e.again),H("deletedJobs",e.again),H("failures",e.again);let t=hi(),{q:n=""}=Object.fromEntries(E.value.words),s=({target:r})=>lr(r.value);return o`<div class="screen-head">
			<h1>${c.jobs.title} ${e.answer&&o`<span class="count">${pe(e.answer.jobs.length)}</span>`}</h1>
			<form class="group" role="search" onSubmit=${r=>r.preventDefault()}>
				<input type="search" data-filter aria-label=${c.jobs.search} placeholder=${c.jobs.search} value=${n} onInput=${s} />
			</form>
		</div>
		<${S} asked=${e}>${r=>o`<${bi} ...${r} trends=${t} sought=${n} />`}<//>`}var lr=e=>P({words:e?[["q",e]]:[]},{replace:!0});async function fi(e){let[t,n]=await Promise.all([g("/jobs",N.value,e),re("/failures",[["status","open"],...N.value],e)]),s=new Map;for(let{job:r}of n)s.set(r,(s.get(r)??0)+1);return{jobs:t.data,failing:s}}var mi=1e4;function hi(){return w(vi,[Rn.value,Ze.value],{everyMs:mi}).answer??new Map}async function vi(e){let{from:t,to:n,bucketMs:s}=zn("24h",Pe.value),r=[["from",t],["to",n],["bucketMs",s],["groupBy","job"],...N.value],{data:a,meta:i}=await g("/job-runs/statistics",r,e);return new Map(rs(a.buckets,i).map(l=>[l.slug,l]))}function bi({jobs:e,failing:t,trends:n,sought:s}){let r=({slug:$})=>n.get($.toLowerCase()),a=c.jobs.columns;if(e.length===0)return o`<${I} title=${c.jobs.empty} hint=${c.jobs.emptyHint} command=${c.jobs.emptyCommand} />`;let i=e.filter($=>gi($,s.trim().toLowerCase()));if(i.length===0)return o`<${I} title=${c.jobs.noMatch} hint=${c.jobs.noMatchHint}>
		<button onClick=${()=>lr("")}>${c.jobs.showAll}</button>
	<//>`;let l=[{name:"first",title:a.job,cell:$=>o`<${ee} slug=${$.slug}><strong>${Me($)}</strong><//>${" "}
					<small class="id">${$.slug}</small>`},{name:"state",title:a.health,cell:$=>o`<${ki} job=${$} failing=${t.get($.slug)??0} />`},{name:"day",title:a.day,cell:$=>o`<${yi} trend=${r($)} />`},{name:"took",title:a.took,cell:$=>wi(r($))},{name:"version",title:a.version,cell:({version:$})=>$},{name:"limits",title:a.limits,cell:$=>o`<small>${mt($).join(", ")||"\u2013"}</small>`},{name:"updated",title:a.updated,cell:({updatedAt:$})=>o`<${A} at=${$} />`}];return o`<${te} label=${c.jobs.title} rows=${i} keyOf=${({slug:$})=>$} columns=${l} />`}var gi=({name:e,slug:t,entryPoint:n},s)=>[e,t,n].some(r=>r.toLowerCase().includes(s)),ir=6e4,wi=e=>(e&&ss(e.buckets,"durationMs")?.join(" / "))??"\u2013";function yi({trend:e}){if(!e||e.ended===0)return o`<span class="quiet">–</span>`;let{buckets:t,ended:n,failed:s,worse:r}=e,a=t.findLast(l=>l.ended>0),i=a&&D(Math.ceil((Pe.value-Date.parse(a.at))/ir)*ir);return o`<span class="day"><${it} buckets=${t} />
		<small>${c.trends.day(n,s)}<br />${i&&c.trends.lastWithin(i)}</small></span>
		${r&&o`<strong class="worse">${c.trends.worse[r.what](r.factor,se(r.since))}</strong>`}`}function ki({job:e,failing:t}){return e.paused?o`<${M} status="paused" />`:t===0?o`<${M} status="ready" label=${c.schedules.active} />`:o`<${O} to=${{view:"failures",words:[["job",e.slug]]}}>
		<${M} status="failed" label=${c.jobs.failing(t)}
	/><//>`}var $n=(e,t)=>e===""&&t.after===void 0;function cr({next:e,last:t},n){return e!==null&&n-t>500?n-30:t}function ur(e,t,n,s){let r=t.next===null?Math.max(t.last,s):t.last,a=n>Math.max(e.last,e.next??0)?[]:e.events;return{next:t.next,last:r,events:[...a,...t.events].slice(-500)}}var Oi=50,Si=1e3;function Ai(){let{words:e}=E.value,t=Object.fromEntries(e),n=b(!0),s=$n(_.value,t),r=s&&n.value,a=t.after??(s?Math.max(qt.peek()-30,0):0),i=w(l=>$r({...t,after:a},l),[JSON.stringify(e),qt.value>0]);return o`<div class="screen-head">
			<h1>${c.log.title}</h1>
			<div class="actions">
				<label class="check">
					<input type="checkbox" checked=${r} disabled=${!s}
						onChange=${({target:l})=>n.value=l.checked} />${c.log.live}</label>
			</div>
		</div>
		<${Ti} given=${t} />
		<${S} asked=${i}>
			${l=>o`<${Mi} page=${l} given=${t} asked=${i} isFollowing=${r} />`}
		<//>
		<section class="card stack">
			<${ji} />
			<p class="quiet">${c.log.verify}</p>
			<${In} text=${c.log.verifyCommand} />
		</section>`}function ji(){let{answer:e}=w(t=>g("/events/seal",[],t),[],{everyMs:5e3});return e&&o`<p>${c.log.sealed(e.data)}</p>`}async function $r(e,t){let n=jn(_.value),s=_.value&&n!==null?[["until",new Date(n).toISOString()]]:[],{data:r,meta:a}=await g("/events",[...Object.entries(e),["limit",Oi],...s],t),l=_.value!==""&&n===null?r.filter(({position:u})=>u<=Number(_.value)):r,$=l.length<r.length;return{events:l,next:$?null:a.next,last:r.at(-1)?.position??Number(e.after)}}function Mi({page:e,given:t,asked:n,isFollowing:s}){let r=async u=>{let d=me.value.position,p=await $r({...t,after:u});n.set(e,ur(e,p,u,d))},{position:a}=me.value,i=j(0),l=b(0);if(q(()=>{if(!s||a<=e.last||i.current===null)return;let d=setTimeout(()=>{i.current=null,r(cr(e,a)).catch(()=>{}).finally(()=>{i.current=Date.now(),l.value+=1})},i.current+Si-Date.now());return()=>clearTimeout(d)},[s,a,e,l.value]),e.events.length===0)return o`<${Ei} isOfEnd=${$n(_.value,t)} />`;let $=s?[...e.events].reverse():e.events;return o`<ol class="log-events">
			${$.map(u=>o`<${_i} key=${u.position} event=${u} />`)}
		</ol>
		${e.next!==null&&!s&&o`
			<${Cn} text=${c.log.newer} load=${()=>r(e.next??e.last)} />
		`}`}function Ei({isOfEnd:e}){let t=c.log;return e?o`<${I} title=${t.empty} hint=${t.emptyLately}>
		<${O} to=${{view:"log",words:[...E.value.words,["after","0"]]}}>${t.fromBeginning}<//>
	<//>`:o`<${I} title=${t.empty} hint=${t.emptyHint} />`}function _i({event:e}){let{position:t,type:n,subject:s,occurredAt:r,actor:a,correlationId:i}=e,l=b(!1);return o`<li>
		<details onToggle=${({target:u})=>l.value=u.open}>
			<summary>
				<span class="position">${t}</span> <code class="event-type">${n}</code>
				<small class="id">${s.id}</small> <small><bdi>${a}</bdi> · <${A} at=${r} /></small>
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
				<${Q} value=${e} label=${c.log.show} />
			</div>`}
		</details>
	</li>`}var dn=["type","subject","actor","after"],Ri={type:"job_run.started",subject:"",actor:"worker:\u2026",after:"0"};function Ti({given:e}){let t=r=>{r.preventDefault();let a=new FormData(r.target),l=dn.map($=>[$,String(a.get($)).trim()]).filter(([,$])=>$!=="");P({words:e.correlation?[...l,["correlation",e.correlation]]:l})},n=j(null);q(()=>n.current?.reset(),[JSON.stringify(e)]);let s=()=>P({words:E.value.words.filter(([r])=>r!=="correlation")});return o`<form class="group log-filter" role="search" ref=${n} onSubmit=${t}>
		${dn.map(r=>o`<label key=${r}>
			${c.log[r]}
			<input name=${r} defaultValue=${e[r]??""} placeholder=${Ri[r]}
				data-filter=${r===dn[0]} />
		</label>`)}
		<button>${c.log.apply}</button>
		${e.correlation&&o`<${Fe} word=${["correlation",e.correlation]} remove=${s} />`}
	</form>`}var Ve=e=>`'${e.replaceAll("'","'\\''")}'`;function pn(e){let{origin:t,pathname:n}=new URL(".",e);return t+n.slice(0,-1)}function dr({slug:e,body:t},n,s){return[`curl -X POST ${Ve(`${pn(n)}/jobs/${e}/run`)}`,"-H 'Content-Type: application/json'",...s?['-H "Authorization: Bearer $APPHUB_TOKEN"']:[],`-d ${Ve(JSON.stringify(t,null,2))}`].join(` \\
  `)}var Ci={delayMs:["--delay","delay"],timeoutMs:["--timeout","timeout"],maxAttempts:["--max-attempts","max_attempts"],priority:["--priority","priority"],startDeadlineMs:["--start-deadline","start_deadline"],context:["--context","context"]},pr=({body:e},t)=>Object.entries(Ci).filter(([n])=>e[n]!==void 0).map(([n,s])=>[s[t],n.endsWith("Ms")?`${e[n]}ms`:e[n]]);function fr(e,t){let n=pr(e,0).map(([r,a])=>`${r} ${typeof a=="object"?Ve(JSON.stringify(a)):a}`),s=["apphub-jobs run",e.slug,"--url",Ve(pn(t)),...n,"--params -"].join(" ");return`printf %s ${Ve(JSON.stringify(e.body.parameters))} |
  ${s}`}function mr(e,t){let n=pr(e,1).map(([s,r])=>`${s}=${Ot(r)}`).join(", ");return["from apphub_jobs import Client","",`with Client("${pn(t)}") as client:`,`    run = client${n&&`.options(${n})`}.launch("${e.slug}", ${Ot(e.body.parameters)})`,"    print(run.result())"].join(`
`)}function Ot(e){return e===null?"None":e===!0?"True":e===!1?"False":Array.isArray(e)?`[${e.map(Ot).join(", ")}]`:typeof e=="object"&&e?`{${Object.entries(e).map(([t,n])=>`${JSON.stringify(t)}: ${Ot(n)}`).join(", ")}}`:JSON.stringify(e)}function hr(e){let t=new Map,n=new Map,s=[];for(let{eventId:r,type:a,subject:i,occurredAt:l,causationId:$,data:u}of e){let d=Ni(a),p=t.get(i.id);if(p)p.last=d;else{let m=n.get($),h=m?.type??"";p={...i,app:u?.repository_id,at:l,last:d,cause:h,children:[]},t.set(i.id,p),(m?.subject.children??s).push(p)}n.set(r,{subject:p,type:d})}return s}var Ni=e=>e.slice(e.lastIndexOf(".")+1).replaceAll("_"," ");var St={"job_run.succeeded":"succeeded","job_run.attempt_failed":"failed","job_run.attempt_timed_out":"timed_out","job_run.attempt_lost":"lost","job_run.handed_back":"handed_back","job_run.canceled":"canceled","job_run.start_deadline_passed":"expired"},vr=["job_run.started",...Object.keys(St)];function br(e,t){let n=[],s=null,r=(a,i)=>{s&&(n.push({...s,number:n.length,to:a,outcome:i,isOpen:!1}),s=null)};for(let{type:a,data:i,occurredAt:l}of e){let $=Date.parse(l);a==="job_run.requested"?s={kind:"wait",from:$}:a==="job_run.started"?(r($),s={kind:"run",from:$,attempt:i.attempt,worker:i.worker_id}):St[a]&&(r($,St[a]),i.retry_at?s={kind:"backoff",from:$}:a==="job_run.handed_back"&&(s={kind:"wait",from:$}))}return s&&n.push({...s,number:n.length,to:Math.max(t,s.from),isOpen:!0}),n}var Ii=.6,Li=.02;function gr(e){let t=({from:u,to:d})=>Math.max(d-u,1),n=e.filter(({kind:u})=>u==="run").reduce((u,d)=>u+t(d),0),s=n>0?n*Ii:1/0,r=e.map(u=>{let d=u.kind!=="run"&&t(u)>s;return{...u,isCollapsed:d,drawn:d?s:t(u)}}),a=r.reduce((u,d)=>u+d.drawn,0),i=r.map(u=>Math.max(u.drawn/a,Li)),l=i.reduce((u,d)=>u+d,0),$=0;return r.map(({drawn:u,...d},p)=>{let m=i[p]/l,h={...d,start:$,width:m};return $+=m,h})}function wr(e){let t=[];for(let{type:n,data:s}of e){let r=Di(n,s,t.at(-1));r&&r!==t.at(-1)&&t.push(r)}return t}function Di(e,t,n){return e==="job_run.requested"||e==="job_run.handed_back"?"pending":e==="job_run.started"?"running":e==="job_run.succeeded"?"succeeded":e==="job_run.canceled"?"canceled":e==="job_run.start_deadline_passed"?"expired":St[e]?t.retry_at?"pending":e==="job_run.attempt_timed_out"?"expired":"failed":n}function vn({run:e,events:t,related:n}){let s=e.completedAt!==null,r=br(t,s?0:Pe.value),a=r.filter(({kind:l})=>l==="run"),i=Es.includes(e.status);return o`
		${i&&o`<${_s} run=${e} related=${n} worker=${a.at(-1)?.worker} />`}
		<div class="story">
			<div class="stack">
				${!i&&o`<${Gi} run=${e} />`}
				<section class="card stack">
					<h2>${c.run.timeline}</h2>
					<${Hi} segments=${r} />
					<${Pi} attempts=${a} isOver=${s} events=${t} known=${i?e.errorMessage:null} />
				</section>
			</div>
			<section class="card"><h2>${c.run.states}</h2><${Ji} path=${wr(t)} /></section>
		</div>
	`}function Pi({attempts:e,isOver:t,events:n,known:s}){let r=c.run;if(e.length===0)return o`<p class="quiet">${t?r.neverStarted:r.noAttempts}</p>`;let a=new Map;for(let{data:{error_message:l},occurredAt:$}of n)l&&l!==s&&a.set(Date.parse($),l);let i=[{name:"first",title:r.attempts,cell:({attempt:l=0})=>r.attempt(l)},{name:"status",title:c.runs.columns.status,cell:({isOpen:l,outcome:$})=>o`<${M} status=${l?"running":$} />`},{name:"took",title:c.runs.columns.took,cell:({from:l,to:$})=>D($-l)},{name:"started",title:r.facts.started,cell:({from:l})=>o`<${A} at=${new Date(l).toISOString()} />`},{name:"worker",title:r.worker,cell:({worker:l})=>o`<${Yt} worker=${l} />`},{name:"why",title:c.runs.columns.details,cell:({to:l,isOpen:$})=>$?"":a.get(l)}];return o`<${te} label=${r.attempts} rows=${e} keyOf=${({number:l})=>l} columns=${i} />`}var fn=1e3,Ge=44;function Hi({segments:e}){if(e.length===0)return null;let t=gr(e),n=e[0].from,s=e[e.length-1].to;return o`<figure class="timeline">
		<svg viewBox="0 0 ${fn} ${Ge}" preserveAspectRatio="none" role="img"
			aria-label=${t.map(mn).join("; ")}>
			${t.map(r=>o`<${qi} key=${r.number} place=${r} />`)}
		</svg>
		<ul class="timeline-legend" aria-hidden="true">
			${t.map(r=>o`
				<li key=${r.number}><span class="swatch ${yr(r)}"></span>${mn(r)}</li>
			`)}
		</ul>
		<figcaption>
			${[n,s].map(r=>o`<${Hn} key=${r} at=${new Date(r).toISOString()} />`)}
		</figcaption>
	</figure>`}function qi({place:e}){let{kind:t,start:n,width:s,isCollapsed:r}=e,a=t==="run"?Ge-8:12,i=n*fn,l=Math.max(s*fn-1,2);return o`<g class="segment ${yr(e)}">
		<title>${mn(e)}</title>
		<rect x=${i} y=${(Ge-a)/2} width=${l} height=${a} />
		${r&&o`
			<path d=${`M${i+l/2-6} 4L${i+l/2-2} ${Ge-4}M${i+l/2+2} 4L${i+l/2+6} ${Ge-4}`} />
		`}
	</g>`}function yr({kind:e,outcome:t="",isOpen:n}){return e!=="run"?`segment-${e}`:`segment-run status-${n?"running":qe(t)}`}function mn({kind:e,attempt:t=0,from:n,to:s,isCollapsed:r}){let a=D(s-n);if(e==="run")return`${c.run.attempt(t)} ${c.run.ran(a)}`;let i=c.run.waited(a);return r?c.run.collapsed(i):i}var At={pending:[62,90],running:[212,90],succeeded:[390,24],failed:[390,68],expired:[390,112],canceled:[390,156]},$e=104,hn=30,Fi=[["pending","running"],["running","pending"],["running","succeeded"],["running","failed"],["running","expired"],["running","canceled"],["pending","canceled"],["pending","expired"]];function Ji({path:e}){let t=new Map;for(let n=1;n<e.length;n+=1){let s=`${e[n-1]} ${e[n]}`;t.set(s,(t.get(s)??0)+1)}return o`<svg class="diagram" viewBox="0 0 452 184" role="img" aria-label=${e.join(", ")}>
		<defs>
			${["","taken-"].map(n=>o`<marker key=${n} id=${`${n}arrow`} class=${`${n}arrow`}
				viewBox="0 0 6 6" refX="6" refY="3" markerWidth="6" markerHeight="6" orient="auto">
				<path d="M0 0L6 3L0 6z" />
			</marker>`)}
		</defs>
		${Fi.map(([n,s])=>o`
			<${Wi} key=${`${n} ${s}`} from=${n} to=${s} times=${t.get(`${n} ${s}`)??0} />
		`)}
		${Object.keys(At).map(n=>o`
			<${Bi} key=${n} status=${n} wasThere=${e.includes(n)} isThere=${e.at(-1)===n} />
		`)}
	</svg>`}function Bi({status:e,wasThere:t,isThere:n}){let[s,r]=At[e];return o`<g class="place status-${e} ${n?"is-there":t?"was-there":""}" aria-hidden="true">
		<rect x=${s-$e/2} y=${r-hn/2} width=${$e} height=${hn} rx="15" />
		<text x=${s} y=${r+4.5}>${e}</text>
	</g>`}function Wi({from:e,to:t,times:n}){let s=Ui(e,t);return o`<g class="way ${n>0?"was-taken":""}" aria-hidden="true">
		<path d=${s} marker-end=${n>0?"url(#taken-arrow)":"url(#arrow)"} />
		${n>1&&o`<text x="137" y=${e==="pending"?76:114}>${n} ×</text>`}
	</g>`}function Ui(e,t){let[n,s]=At[e],[r,a]=At[t];return e==="pending"&&t==="running"?`M${n+$e/2} ${s-5}H${r-$e/2}`:t==="pending"?`M${n-$e/2} ${s+5}H${r+$e/2}`:e==="pending"?`M${n} ${s+hn/2}Q${n} ${a+8} ${n+80} ${a+8}H${r-$e/2}`:`M${n+$e/2} ${s}C${n+90} ${s} ${r-90} ${a} ${r-$e/2} ${a}`}var Vi=3e3;function Gi({run:e}){let t=e.status==="pending"?Vi:void 0,n=w(s=>g(`/job-runs/${e.id}/explain`,N.value,s),[e.id],{newer:[_e(e.updatedAt)],everyMs:t});return o`<section class="card explanation">
		<h2>${e.completedAt?c.run.outcome:c.run.explain}</h2>
		<${S} asked=${n} lines=${2}>${({data:s})=>o`<${Xi} explanation=${s} hasEnded=${e.completedAt!==null} />`}<//>
	</section>`}function Xi({explanation:e,hasEnded:t}){let{status:n,summary:s,reasons:r,nextChangeAt:a,unknown:i}=e,l=n==="pending"&&r.some(({binding:u})=>u),$=r.find(({code:u})=>u==="canceled")?.details.by;return o`
		${!l&&o`<p class="summary">${t?s:o`<${Ft} text=${s} />`}</p>`}
		${typeof $=="string"&&o`<p class="quiet">${c.run.canceledBy} <bdi>${$}</bdi></p>`}
		${r.length>0&&!t&&o`<ul class="stack">
			${r.map(u=>o`<${Ki} key=${u.code} reason=${u} />`)}
		</ul>`}
		${a&&o`<p class="quiet">${c.run.until} <${A} at=${a} /></p>`}
		${i.map(u=>o`<p class="note" key=${u}>${u}</p>`)}
	`}function Ki({reason:e}){let{code:t,message:n,binding:s,since:r}=e;return o`<li class=${s?"reason is-binding":"reason"}>
		${s&&o`<${Z} name="next" label=${c.run.binding} />`}
		<span><bdi><${Ft} text=${n} /></bdi> <code class="quiet">${t}</code> ${r&&o`<small><${A} at=${r} /></small>`}</span>
	</li>`}var kr={story:vn,log:ys,events:ul,causes:pl,data:hl};function Yi(){let{id:e}=E.value,t=w(async n=>(await g(`/job-runs/${Y(e)}`,N.value,n)).data,[e]);return o`<${S} asked=${t} lines=${8} list="runs">
		${({run:n,job:s})=>o`<${zi} asked=${n} job=${s} />`}
	<//>`}function zi({asked:e,job:t}){let n=z(()=>[e],[e]),[s]=ne(n,"runs",({id:d})=>d),r=_e(s.updatedAt),a=Rs(s,r),i=w(d=>Qi(s.id,d),[s.id],{newer:[r]}),{tab:l}=E.value,$=j(s.status);q(()=>{$.current!==s.status&&B(c.run.isNow(s.status)),$.current=s.status},[s.status]);let u=kr[l]??vn;return o`
		<div class="screen-head">
			<div>
				<p class="quiet"><${ee} slug=${s.slug}>${Me(t)}<//></p>
				<h1 class="run-title"><${M} status=${s.status} /> <span class="id">${s.id}</span></h1>
			</div>
			<${rl} run=${s} />
		</div>
		<${Zi} run=${s} />
		${s.errorMessage&&Or.includes(s.status)&&o`
			<p class="error-message" tabindex="0"><code>${s.errorMessage}</code></p>
		`}
		<${el} run=${s} related=${a.answer} />
		<${nt} tabs=${c.run.tabs} current=${kr[l]?l:"story"} />
		<${S} asked=${i}>
			${d=>o`<${u} run=${s} events=${d} related=${a} />`}
		<//>
	`}function Zi({run:e}){let t=e.metrics?.progress;return e.status!=="running"||typeof t!="number"?null:o`<progress max="1" value=${t} aria-label=${c.run.progress}></progress>`}async function Qi(e,t){let{data:n,meta:s}=await g(`/job-runs/${e}/events`,[["limit",jt]],t),r=[["subject",e],["type",vr.join()],["after",n.at(-1)?.position],["limit",jt]],a=s.nextCursor?(await g("/events",r,t)).data:[];return[...n,...a].filter(De)}function el({run:e,related:t}){let n=c.run.facts,s=a=>o`<${A} at=${a} full />`,r=[[n.created,s(e.createdAt)],e.scheduledAt!==e.createdAt&&[n.due,s(e.scheduledAt)],e.startedAt&&[n.started,s(e.startedAt)],e.completedAt&&[n.completed,s(e.completedAt)],e.startedAt&&[c.runs.columns.took,o`<${Ee} from=${e.startedAt} to=${e.completedAt} ms=${e.durationMs} />`],[n.attempts,c.runs.attemptOf(Kt(e),e.maxAttempts)],[n.by,o`<${tl} name=${e.requestedBy} />`],e.failureReason&&[n.failure,o`<code>${e.failureReason}</code>`],e.timeoutMs&&[n.timeout,D(e.timeoutMs)],e.priority!==0&&[n.priority,e.priority],e.context?.retryOf&&[n.retryOf,o`<${F} id=${e.context.retryOf} /> <${O} to=${zt(e.id,e.context.retryOf)}>${c.run.compareGo}<//>`],e.context?.rerunOf&&[c.jobs.rerunOf,o`<${F} id=${e.context.rerunOf} />`],t?.bulkOperation&&[n.bulk,o`<${sl} ...${t.bulkOperation} />`],t?.retries.length&&[n.repeated,o`<${Be} runs=${t.retries.slice(0,nl)} origin=${e} />`],e.idempotencyKey&&[n.key,o`<code>${e.idempotencyKey}</code>`]];return o`<dl class="facts card">
		${r.filter(Array.isArray).map(([a,i])=>o`<div key=${a}><dt>${a}</dt><dd>${i}</dd></div>`)}
	</dl>`}function tl({name:e}){let[,t]=/^schedule:(.+)$/.exec(e??"")??[];return t?o`<${O} to=${{view:"schedule",id:t}}>${e}<//>`:e}var nl=3,sl=({id:e,action:t,reason:n})=>o`<${O} to=${{view:"bulk",id:e}}>${c.bulk.title(t)}<//> · <bdi>${n}</bdi>`,Or=["pending","running"];function rl({run:e}){let t=b(!1),n=j(oe()),s=Or.includes(e.status);return o`<div class="actions">
		${_.value&&o`<span class="quiet">${c.past.noActions}</span>`}
		${R.value&&s&&o`
			<button class="danger" disabled=${e.cancelRequestedAt!==null} onClick=${()=>ol(e)}>${c.run.cancel} …</button>
		`}
		${R.value&&!s&&o`<button onClick=${()=>al(e,n)}>${c.run.retry}</button>`}
		${R.value&&o`<button onClick=${()=>t.value=!0}>${c.run.rerun} …</button>`}
		<${ll} run=${e} />
		${t.value&&o`<${il} run=${e} onClose=${()=>t.value=!1} />`}
	</div>`}function ol(e){let t=c.run,n={title:`${t.cancel} ${e.slug}`,text:t.cancelText,action:t.cancel};return et(n,`/job-runs/${e.id}/cancel`,t.canceled)}async function al(e,t){let n=await J(()=>L(`/job-runs/${e.id}/retry`,void 0,{"Idempotency-Key":t.current}));n&&(t.current=oe(),U({view:"run",id:n.data.id}))}function il({run:e,onClose:t}){let n=Sr(e);return o`<${Qe} title=${c.run.rerun} onClose=${t} className="wide">
		<${S} asked=${n}>
			${({job:s,first:r})=>o`
				<${kt} job=${s} origin=${{...e,...Ar(r)}} onLaunched=${t} />
			`}
		<//>
	<//>`}var Sr=e=>w(async t=>{let[n,s]=await Promise.all([g(`/jobs/${e.slug}`,[["limit",1]],t),g(`/job-runs/${e.id}/events`,[["limit",1]],t)]);return{job:n.data.job,first:s.data[0]}},[]);function Ar(e){let{context:t=null,start_deadline_at:n,scheduled_at:s}=e?.data??{},r=(a,i)=>a&&i?Math.max(Date.parse(i)-Date.parse(a),0):null;return{context:t,delayMs:r(e?.occurredAt,s),startDeadlineMs:r(s,n)}}function ll({run:e}){let t=b(!1);return o`<details class="menu" onToggle=${({target:n})=>t.value=n.open}>
		<summary>${c.run.copyAs}</summary>
		<div class="menu-box stack">${t.value&&o`<${cl} run=${e} />`}</div>
	</details>`}function cl({run:e}){let t=Sr(e);return o`<${S} asked=${t}>${({job:n,first:s})=>{let r=er(n,{...e,...Ar(s)}),a=document.baseURI,i={curl:dr(r,a,Sn()!==""),CLI:fr(r,a),Python:mr(r,a)};return Object.entries(i).map(([l,$])=>o`<div key=${l}>
			<h3>${l}</h3>
			<div class="with-copy">
				<${Nn} text=${$} label=${c.copyOf(l)} />
				<pre class="json"><code>${$}</code></pre>
			</div>
		</div>`)}}<//>`}var jt=500;function ul({events:e}){let t=new Map(e.map(n=>[n.eventId,n]));return o`${e.length>=jt&&o`<p class="note">${c.ofFirst(jt)}</p>`}<ol class="events">
		${e.map(n=>o`
			<${$l} key=${n.position} event=${n} cause=${t.get(n.causationId)} />
		`)}
	</ol>`}function $l({event:e,cause:t}){let{type:n,position:s,occurredAt:r,actor:a,causationId:i,correlationId:l,data:$}=e,u=c.run.events;return o`<li class="card">
		<header>
			<h2><code>${n.replace("job_run.","")}</code></h2>
			<span class="quiet">
				<${A} at=${r} full /> · ${u.position}${" "}
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
		<details><summary>${u.data}</summary><${Q} value=${$} label=${u.data} /></details>
	</li>`}var xr=500,dl=5e3;function pl({run:e,events:t}){let n=t[0]?.correlationId,s=w(async r=>n?g("/events",[["correlation",n],["limit",xr]],r):{data:t},[n],{newer:[e.status],everyMs:dl});return o`<section class="card stack">
		<p class="quiet">${c.run.causesHint}</p>
		<${S} asked=${s}>
			${({data:r,meta:a})=>o`
				${a?.next&&o`<p class="note">${c.ofFirst(xr)}</p>`}
				<${jr} subjects=${hr(r.filter(De))} current=${e.id} />
			`}
		<//>
	</section>`}function jr({subjects:e,current:t}){return o`<ul class="tree">
		${e.map(n=>o`<li key=${n.id}>
			<${fl} subject=${n} isCurrent=${n.id===t} />
			${n.children.length>0&&o`<${jr} subjects=${n.children} current=${t} />`}
		</li>`)}
	</ul>`}function fl({subject:e,isCurrent:t}){let{type:n,id:s,app:r,at:a,last:i,cause:l}=e,$=n==="job_run"?{view:"run",id:s}:r&&{view:"app",id:r},u=o`${n.replaceAll("_"," ")} <span class="id">${ve(s)}</span>`;return o`<span class=${t?"is-current":""} aria-current=${t?"true":void 0}>
			${$&&!t?o`<${O} to=${$}>${u}<//>`:u}
		</span>${" "}
		<span class="tag">${i}</span>${" "}
		<small>${l&&`${c.run.causedBy(l)} \xB7 `}<${A} at=${a} /></small>`}var ml=["parameters","result","metrics","context"];function hl({run:e}){let{compare:t}=E.value;return o`<div class="cards pairs">
			${ml.map(n=>o`<section class="card" key=${n}>
				<h2>${c.run[n]}</h2>
				<${Q} value=${e[n]} label=${c.run[n]} />
			</section>`)}
		</div>
		<section class="card stack">
			<h2>${c.run.compare}</h2>
			<${vl} />
			${t&&o`<${bl} run=${e} other=${t} key=${t} />`}
		</section>`}function vl(){let e=b(E.value.compare);return o`<form class="group" onSubmit=${n=>{n.preventDefault(),P({compare:e.value.trim()},{replace:!0})}}>
		<input class="id-input" aria-label=${c.run.compareId} placeholder=${c.run.compareId} value=${e.value}
			onInput=${G(e)} />
		<button>${c.run.compareGo}</button>
	</form>`}function bl({run:e,other:t}){let n=w(async s=>g(`/job-runs/${Y(await wl(t,s))}`,N.value,s),[t]);return o`<${S} asked=${n}>
		${({data:s})=>o`<${yl} found=${Qt(e,s.run)} />`}
	<//>`}var gl=36;async function wl(e,t){if(e.length>=gl)return e;let{data:n}=await g("/job-runs",[["search",e],["limit",2]],t),s=n.map(({run:r})=>r.id).filter(r=>r.startsWith(e));return s.length===1?s[0]:e}function yl({found:e}){return e.length===0?o`<p>${c.run.same}</p>`:o`<${tt} found=${e} />`}var Mr="created";function Er({words:e,sort:t}){let n=b(!1),s=j(null),r=i=>{P(i),n.value=!1,s.current?.focus()},a=({target:i})=>n.value=i.open;return o`<details class="menu" open=${n.value} onToggle=${a}>
		<summary ref=${s}>${c.savedViews.title}</summary>
		<div class="menu-box stack">${n.value&&o`<${kl} words=${e} sort=${t} open=${r} />`}</div>
	</details>`}function kl({words:e,sort:t,open:n}){let s=w(a=>g("/views",N.value,a),[]);H("views",s.again);let r=a=>{xe.value=xe.value.filter(([i])=>i!==a),B(c.savedViews.isDeleted(a))};return o`
		<${S} asked=${s} lines=${2}>
			${({data:a})=>a.length>0&&o`
				<h2>${c.savedViews.everybodys}</h2>
				<ul class="saved-views">
					${a.map(i=>o`<${xl} key=${i.name} view=${i} open=${n} again=${s.again} />`)}
				</ul>
			`}
		<//>
		${xe.value.length>0&&o`
			<h2>${c.savedViews.mine}</h2>
			<ul class="saved-views">
				${xe.value.map(([a,i,l=""])=>o`<li key=${a}>
					<button class="plain" title=${i} onClick=${()=>n({words:ot(i),sort:l})}>
						<bdi>${a}</bdi>
					</button>
					<${_r} label=${c.savedViews.forget(a)} remove=${()=>r(a)} />
				</li>`)}
			</ul>
		`}
		<${Ol} shared=${s.answer?.data??[]} words=${e} sort=${t} again=${s.again} />
	`}function xl({view:e,open:t,again:n}){let{name:s,filter:r,sort:a,savedBy:i,updatedAt:l}=e,$=Vn(r),u={words:$,sort:a===Mr?"":a},d=async()=>{let p={title:c.savedViews.remove(s),text:c.savedViews.removeHint,action:c.savedViews.go};await ce(p)&&(await J(()=>le("DELETE",Rr(s)),c.savedViews.isDeleted(s)),n())};return o`<li>
		<button class="plain" title=${Jt($)} onClick=${()=>t(u)}><bdi>${s}</bdi></button>
		<small><bdi>${i}</bdi> · <${A} at=${l} /></small>
		${R.value&&o`<${_r} label=${c.savedViews.remove(s)} remove=${d} />`}
	</li>`}var _r=({label:e,remove:t})=>o`<button class="plain" aria-label=${e} title=${e} onClick=${t}><${Z} name="close" /></button>`;function Ol({shared:e,words:t,sort:n,again:s}){let r=b(""),a=b(!1),i=p=>{let m=xe.value.filter(([h])=>h!==p);return xe.value=[...m,[p,Jt(t),n]],!0},l=async p=>{let m=e.find(v=>v.name===p),h={title:c.savedViews.replace(p),text:c.savedViews.replaceHint,action:c.savedViews.goOn};if(m&&!await ce(h))return!1;let f={filter:Un(t),sort:n||Mr},k=await J(()=>le("PUT",Rr(p),f));return s(),k!==void 0},$=({target:p})=>a.value=p.value==="all",u=async p=>{p.preventDefault();let m=r.value.trim();await(R.value&&a.value?l:i)(m)&&(B(c.savedViews.isSaved(m)),r.value="")},d=t.length===0&&!n;return o`<form class="group" onSubmit=${u}>
		<input
			required maxlength="100" pattern=".*\\S.*" aria-label=${c.savedViews.name} placeholder=${c.savedViews.name}
			value=${r.value} onInput=${G(r)} />
		${R.value&&o`<select
			aria-label=${c.savedViews.whose} value=${a.value?"all":"me"} onChange=${$}>
			<option value="me">${c.savedViews.forMe}</option>
			<option value="all">${c.savedViews.forEverybody}</option>
		</select>`}
		<button disabled=${d}>${c.savedViews.save}</button>
		${d&&o`<small>${c.savedViews.needsFilter}</small>`}
	</form>`}var Rr=e=>`/views/${encodeURIComponent(e)}`;var Sl=50,Tr=1e3;async function Mt({words:e,sort:t},n,s){let r=me.peek().recent.runs,a=[...e,...N.value,["sort",t],["limit",Sl]],{rows:i,next:l}=await fe("/job-runs",a,n,s);return{rows:i.map(({run:$})=>$),next:l,known:r}}async function Al(e,t,n){let s=await Mt(e,null,n);if(!t?.newest||s.rows.length===0)return s;if(s.rows[0].id!==t.newest&&!e.sort){let r=await Ml(t.newest,n);r!==null&&(s={...await Mt(e,r,n),hasNewer:!0})}for(;s.next!==null&&s.rows.length<Math.min(t.count,jl);){let{rows:r,next:a}=await Mt(e,s.next,n);s={...s,rows:[...s.rows,...r],next:a}}return{...s,stand:t}}var jl=1e3;async function Ml(e,t){try{let{data:n}=await g(`/job-runs/${e}/events`,[["limit",1]],t);return n[0].position+1}catch(n){if(K(n).status===404)return null;throw n}}function El(){let{words:e,sort:t}=E.value,n=JSON.stringify([e,t]),s=w(l=>Al({words:e,sort:t},En(),l),[n]),r=b(new Set),a=Fn(),i=l=>P({words:l});return q(()=>{r.value=new Set},[n,_.value]),o`
		<div class="screen-head">
			<h1>${c.runs.title}</h1>
			<div class="actions">
				<${Er} words=${e} sort=${t} />
				<${O} to=${{view:"bulk"}}>${c.views.bulk}<//>
			</div>
		</div>
		<${is} words=${e} setWords=${i} jobs=${a} />
		<${Nl} words=${e} setWords=${i} />
		<div class="list-controls">
			<${Dl} words=${e} selected=${r} />
			<${Il} sort=${t} />
		</div>
		<${S} asked=${s} lines=${10}>
			${l=>o`
				<${_l} page=${l} asked=${s} words=${e} sort=${t} selected=${r} jobs=${a}
					key=${n+_.value} />
			`}
		<//>
	`}function _l({page:e,asked:t,words:n,sort:s,selected:r,jobs:a}){let i=ne(e.rows,"runs",p=>p.id),l=z(()=>o`<${ue} runs=${i} sort=${s} selected=${R.value?r:void 0} />`,[i,R.value]),$=Rl(e,t.isOld),u=()=>{_n(),t.again()};q(()=>{r.value=new Set(e.rows.map(({id:p})=>p).filter(p=>r.value.has(p)))},[e]);let d=o`<${Tl} page=${e} words=${n} sort=${s} jobs=${a} show=${u} />`;return i.length===0?o`${d}<${Cl} words=${n} />`:o`
		${d}
		<div ref=${$}>${l}</div>
		<${he} asked=${t} load=${p=>Mt({words:n,sort:s},p)} text=${c.older} />
	`}function Rl(e,t){let n=j(null),s=j({page:e,isOld:t});return s.current={page:e,isOld:t},q(()=>Mn(()=>{let{page:{rows:r},isOld:a}=s.current;return a||!n.current?null:{newest:r[0].id,count:r.length,top:n.current.getBoundingClientRect().top}}),[]),ye(()=>{e.stand&&!t&&n.current&&scrollBy(0,n.current.getBoundingClientRect().top-e.stand.top)},[e.stand,t]),n}function Tl({page:e,words:t,sort:n,jobs:s,show:r}){let{known:a}=e,i=b({known:a,ids:new Set});i.value.known!==a&&(i.value={known:a,ids:new Set});let{runs:l,jobs:$}=me.value.recent;q(()=>{let{ids:m}=i.value;if(l===a||s.length===0||_.value!==""||m.size>=Tr)return;let h=new Set(e.rows.map(y=>y.id)),f=new Map([...s,...$.values()].map(({slug:y,name:C})=>[y,C])),v=[...l.values()].filter(y=>a.get(y.id)!==y&&!h.has(y.id)&&Xn(y,{words:t,sort:n},e,C=>f.get(C))).filter(({id:y})=>!m.has(y));v.length>0&&(i.value={known:a,ids:new Set([...m,...v.map(({id:y})=>y)])})},[l,e,s]);let u=i.value.ids.size;if(u===0&&!e.hasNewer)return null;let d=e.hasNewer?c.runs.newest:Yn(t)?c.runs.fresh(u):c.runs.perhapsFresh,p=u<Tr?d:c.runs.manyFresh;return o`<p class="pager"><button class="pill" onClick=${r}>${p}</button></p>`}function Cl({words:e}){return e.length>0?o`<${I} title=${c.runs.noMatch} hint=${c.runs.noMatchHint}>
		<button onClick=${()=>P({words:[]})}>${c.runs.clear}</button>
	<//>`:_.value?o`<${I} title=${c.runs.noneThen}>
		<button onClick=${()=>P({asOf:""})}>${c.past.back}</button>
	<//>`:o`<${I} title=${c.runs.empty} hint=${c.runs.emptyHint} command=${c.runs.emptyCommand} />`}function Nl({words:e,setWords:t}){let n=Bn(),s=(e.find(([i])=>i==="status")?.[1]??"").split(",").filter(Boolean),r=e.every(([i])=>i==="status"),a=i=>{let l=s.includes(i)?s.filter(u=>u!==i):[...s,i],$=e.filter(([u])=>u!=="status");t(l.length>0?at($,["status",l.join(",")]):$)};return o`<div class="status-filter" role="group" aria-label=${c.runs.columns.status}>
		${rt.map(i=>o`<button
			key=${i} class="status status-${i}" aria-pressed=${s.includes(i)}
			onClick=${()=>a(i)}>
			<${Z} name=${i} />${i}
			${r&&n&&o`<span class="count">${pe(n[i])}</span>`}
		</button>`)}
	</div>`}function Il({sort:e}){let t=({target:n})=>P({sort:n.value});return o`<label class="inline">${c.runs.sort}
		<select value=${e} onChange=${t}>
			${Object.entries(c.runs.orders).map(([n,s])=>o`<option key=${n} value=${n}>${s}</option>`)}
		</select>
	</label>
	${e&&o`<small>${c.runs.onlyEnded}</small>`}`}var Ll=4;function Dl({words:e,selected:t}){let n=b("");if(!R.value)return null;let s=t.value.size;return o`<div class="selection">
		${s>0?o`<span>${c.runs.selected(s)}</span><${Hl} selected=${t} />`:o`<span>${c.runs.allMatching}:</span>
			${Pl.map(r=>o`
				<button key=${r} onClick=${()=>n.value=r}>${c.bulk.actions[r]} …</button>
			`)}`}
		${n.value&&o`
			<${lt} action=${n.value} words=${e} onClose=${()=>n.value=""} />
		`}
	</div>`}var Pl=["cancel","retry","rerun"];function Hl({selected:e}){let t=b(!1),n=async s=>{let r=[...e.value],a=await ce({title:c.bulk.title(s),text:c.runs.selected(r.length),action:c.bulk.go(c.bulk.actions[s],r.length),asksReason:s==="cancel"});if(!a)return;let i=s==="cancel"&&a.reason?{reason:a.reason}:void 0;t.value=!0;let l=await ql(r,u=>L(`/job-runs/${u}/${s}`,i));t.value=!1,e.value=new Set;let $=c.bulk.ofTicked(r.length-l.length,r.length);B([$,...l.slice(0,3)].join(`
`),{isWrong:l.length>0})};return o`
		<button class="danger" disabled=${t.value} onClick=${()=>n("cancel")}>${c.bulk.actions.cancel} …</button>
		<button disabled=${t.value} onClick=${()=>n("retry")}>${c.bulk.actions.retry} …</button>
		<button class="plain" onClick=${()=>e.value=new Set}>${c.runs.clearSelection}</button>
	`}async function ql(e,t){let n=[...e],s=[],r=async()=>{for(let a=n.shift();a!==void 0;a=n.shift())try{await t(a)}catch(i){s.push(c.bulk.one(a,K(i).message))}};return await Promise.all(Array.from({length:Ll},r)),s}var Xe={d:864e5,h:36e5,min:6e4,s:1e3},Cr=Object.keys(Xe).reverse();function Ke(e){let t=Object.keys(Xe).find(n=>e%Xe[n]===0&&e>0)??"s";return{amount:String(e/Xe[t]),unit:t}}var bn=({amount:e,unit:t})=>e===""?null:Math.round(Number(e)*Xe[t]),Nr="0 3 * * *",Ir={amount:"1",unit:"h"},Lr=e=>({id:"",job:"",rhythm:"cron",cron:Nr,every:Ir,timeZone:e,exclude:"",overlap:"skip",catchUp:Ke(6e4),jitter:Ke(0),startAt:"",endAt:"",pauseOnFailure:!1,parameters:{typed:void 0,raw:null}}),gn=e=>({id:e.id,job:e.job,rhythm:e.everyMs===null?"cron":"every",cron:e.cron??Nr,every:e.everyMs===null?Ir:Ke(e.everyMs),timeZone:e.timeZone,exclude:e.exclude.join(`
`),overlap:e.overlap,catchUp:Ke(e.catchUpMs),jitter:Ke(e.jitterMs),startAt:e.startAt??"",endAt:e.endAt??"",pauseOnFailure:e.pauseOnFailure,parameters:{typed:e.parameters,raw:null}});function Et(e){let t=e.rhythm==="cron";return{...e.id&&{id:e.id},...e.job&&{job:e.job},cron:t?e.cron:null,everyMs:t?null:bn(e.every),timeZone:e.timeZone,exclude:e.exclude.split(`
`).map(n=>n.trim()).filter(Boolean),overlap:e.overlap,catchUpMs:bn(e.catchUp),jitterMs:bn(e.jitter),startAt:e.startAt||null,endAt:e.endAt||null,pauseOnFailure:e.pauseOnFailure}}function Dr(e,{id:t,...n}){let s=e,r=([a,i])=>JSON.stringify(i)!==JSON.stringify(s[a]);return Object.fromEntries(Object.entries(n).filter(r))}function Pr(e){let[,t,n,s]=/^(\S{10})T(\d\d:\d\d:\d\d)(?:\.\d+)?(.+)$/.exec(e)??[];return`${new Date(`${t}T00:00:00Z`).toUTCString().slice(0,3)} ${t} ${n} ${s}`}var Fl=["Sunday","Monday","Tuesday","Wednesday","Thursday","Friday","Saturday","Sunday"];function Le({cron:e,everyMs:t,timeZone:n}){let s=c.schedules;if(t)return s.every(D(t));let r=n==="UTC"?"":` ${s.zone(n)}`,a=e??"";return(Jl(a)??a)+r}function Jl(e){let t=e.trim().split(/\s+/);if(t.length!==5)return null;let[n,s,r,a,i]=t,l=c.schedules,$=r==="*"&&a==="*",u=/^\*\/(\d+)$/.exec(n);if(u&&60%Number(u[1])===0&&s==="*"&&$&&i==="*")return l.every(`${u[1]} min`);if(e==="* * * * *")return l.every("1 min");if(!/^\d+$/.test(n)||!$)return null;if(s==="*"&&i==="*")return`${l.every("1 h")}, ${l.at(`:${n.padStart(2,"0")}`)}`;if(!/^\d+$/.test(s))return null;let p=l.at(`${s.padStart(2,"0")}:${n.padStart(2,"0")}`);return i==="*"?`${l.daily} ${p}`:i==="1-5"?`${l.weekdays} ${p}`:/^[0-7]$/.test(i)?`${l.every(Fl[Number(i)])} ${p}`:null}var Bl=["skip","buffer_one","buffer_all","cancel_other","terminate_other","allow_all"],_t=new Map;function Wl(e){let t=e?.id??"",n=_t.get(t),s=n&&Ul(n)&&n.before?.version!==e?.version;if(n&&!s)return n;let r={draft:ie(e?gn(e):Lr(Ye())),before:e};return _t.set(t,r),r}var Ul=({draft:e,before:t})=>t&&JSON.stringify(e.value)===JSON.stringify(gn(t));function Tt({schedule:e}){let t=c.schedules.form,n=e?.id??"",{draft:s,before:r}=Wl(e),a=b({message:"",issues:[]}),i=Jn(),l=s.value.job||i.length===0?s.value:{...s.value,job:i[0].slug},$=Xl(l),u=[...a.value.issues,...$.error?.issues??[]],d=f=>{s.value={...l,...f};let k=Object.keys(f).map(y=>`/${Vl[y]??y}`),v=({path:y})=>k.every(C=>y!==C&&!y.startsWith(`${C}/`));a.value={message:"",issues:a.value.issues.filter(v)}},p=()=>{_t.delete(n),U(e?{view:"schedule",id:n}:{view:"schedules"})},m=async f=>{f.preventDefault();let k=i.find(({slug:y})=>y.toLowerCase()===l.job.toLowerCase()),v=xt(l.parameters,k);try{if(!v)throw new Error(c.jobs.badJson);let y=await Gl(r,{...Et(l),parameters:v});_t.delete(n),B(t.saved(y.id)),U({view:"schedule",id:y.id})}catch(y){let{code:C,message:T,issues:V=[]}=K(y);a.value={message:T,issues:C==="schedule_exists"?[{path:"/id",message:T}]:V},on(f.target)}},h={draft:l,issues:u,set:d};return o`<form class="stack" onSubmit=${m} noValidate>
		${e?.owner&&o`<p class="note">${t.owned(e.owner)}</p>`}
		${e&&e.version!==r?.version&&o`<p class="note" role="status">${t.newer(e.version)}</p>`}
		<div class="cards">
			<section class="card stack"><h2>${t.what}</h2><${Yl} ...${h} jobs=${i} isNew=${!e} isWrong=${a.value.message===c.jobs.badJson} /></section>
			<section class="card stack"><h2>${c.schedules.columns.when}</h2><${zl} ...${h} /></section>
			<div class="stack">
				<section class="card stack"><h2>${t.next}</h2><${Kl} draft=${l} ...${$} /></section>
				<section class="card stack"><h2>${t.rules}</h2><${Ql} ...${h} /></section>
			</div>
		</div>
		${a.value.message&&o`<p class="problem" role="alert">${a.value.message}</p>`}
		<div class="actions">
			<button class="main">${e?t.save:c.schedules.create}</button>
			<button type="button" onClick=${p}>${t.discard}</button>
		</div>
	</form>`}var Vl={rhythm:"cron",every:"everyMs",catchUp:"catchUpMs",jitter:"jitterMs"};async function Gl(e,t){if(!e)return(await L("/schedules",t)).data;let n=Dr(e,t);return(await le("PATCH",`/schedules/${e.id}`,n)).data}function Xl(e){let t=_e(JSON.stringify(Et(e))),{answer:n,error:s}=w(()=>L("/schedules/preview",JSON.parse(t)),[t]);return{ticks:n?.data,error:s}}function Kl({draft:e,ticks:t,error:n}){return o`<div class="stack" role="status">
		<p>${Le(Et(e))}</p>
		${n&&o`<p class="problem">${n.message}</p>`}
		${t&&o`<${yn} ticks=${t} />`}
	</div>`}function yn({ticks:e}){let t=c.schedules.form;return e.length===0?o`<p class="note">${t.never}</p>`:o`<ol class="coming">
		${e.map(({dueAt:n,firesAt:s,isExcluded:r})=>o`<li key=${n}>
			<time datetime=${n}>${Pr(n)}</time>${" "}
			${r&&o`<span class="tag">${c.schedules.excluded}</span>`}
			${Date.parse(s)>Date.parse(n)&&o`<small>${t.late(D(Date.parse(s)-Date.parse(n)))}</small>`}
		</li>`)}
	</ol>`}function Yl({draft:e,issues:t,set:n,jobs:s,isNew:r,isWrong:a}){let i=c.schedules.form,l=u=>({target:d})=>n({[u]:d.value}),$=s.find(({slug:u})=>u.toLowerCase()===e.job.toLowerCase());return o`
		${r&&o`<${be} name="id" title=${i.name} hint=${i.nameHint} issues=${t}>
			${u=>o`<input ...${u} required maxlength="100" value=${e.id} onInput=${l("id")} />`}
		<//>`}
		<${be} name="job" title=${c.views.job} hint=${s.length===0?i.noJobs:""} issues=${t}>
			${u=>o`<select ...${u} value=${$?.slug} onChange=${l("job")}>
				${!$&&e.job&&o`<option>${e.job}</option>`}
				${s.map(({slug:d})=>o`<option key=${d} value=${d}>${d}</option>`)}
			</select>`}
		<//>
		${$&&o`<fieldset>
			<legend>${c.run.parameters}</legend>
			<${an} key=${$.slug} job=${$} draft=${e.parameters} issues=${t} isWrong=${a}
				onChange=${u=>n({parameters:u})} />
			${Rt(t,"parameters").map(u=>o`<p class="problem" key=${u}>${u}</p>`)}
		</fieldset>`}
	`}function zl({draft:e,issues:t,set:n}){let s=c.schedules.form,r=e.rhythm==="cron",a=(u,d)=>o`<label class="check">
		<input type="radio" name="rhythm" checked=${e.rhythm===u} onChange=${()=>n({rhythm:u})} />${d}
	</label>`,i=u=>d=>n({[u]:d}),l=u=>({target:d})=>i(u)(d.value),$=u=>d=>o`<${ln} common=${d} value=${e[u]} set=${l(u)} onChange=${i(u)} />`;return o`
		<div class="group" role="radiogroup" aria-label=${c.schedules.columns.when}>
			${a("cron",s.byCron)}${a("every",s.byInterval)}
		</div>
		${r?o`<${be} name="cron" title=${s.cron} hint=${s.cronHint} issues=${t}>
				${u=>o`<input ...${u} class="id" value=${e.cron} onInput=${l("cron")} />`}
			<//>`:o`<${wn} name="everyMs" also="cron" title=${s.every} value=${e.every} issues=${t}
				onChange=${i("every")} />`}
		<${be} name="timeZone" title=${c.schedules.timeZone} hint=${r?"":s.zoneOfInterval} issues=${t}>
			${u=>o`<input ...${u} list="time-zones" value=${e.timeZone} onInput=${l("timeZone")} />
				<datalist id="time-zones">${Zl().map(d=>o`<option key=${d}>${d}</option>`)}</datalist>`}
		<//>
		<${be} name="startAt" title=${s.start} hint=${r?"":s.startOfInterval} issues=${t}>
			${$("startAt")}
		<//>
		<${be} name="endAt" title=${s.end} issues=${t}>
			${$("endAt")}
		<//>
		<${be} name="exclude" title=${s.exclude} hint=${s.excludeHint} issues=${t}>
			${u=>o`
				<textarea ...${u} class="growing" rows="2" value=${e.exclude} onInput=${l("exclude")}></textarea>
			`}
		<//>
		<${wn} name="jitterMs" title=${s.jitter} hint=${s.jitterHint} value=${e.jitter} issues=${t}
			onChange=${i("jitter")} />
	`}var Zl=()=>Intl.supportedValuesOf?.("timeZone")??[];function Ql({draft:e,issues:t,set:n}){let s=c.schedules.form,r=({target:a})=>n({pauseOnFailure:a.checked});return o`
		<fieldset>
			<legend>${c.schedules.overlap}</legend>
			${Bl.map(a=>o`<label class="check" key=${a}>
				<input type="radio" name="overlap" checked=${e.overlap===a} onChange=${()=>n({overlap:a})} />
				${a.replaceAll("_"," ")}<small>${c.schedules.overlaps[a]}</small>
			</label>`)}
			${Rt(t,"overlap").map(a=>o`<p class="problem" key=${a}>${a}</p>`)}
		</fieldset>
		<${wn} name="catchUpMs" title=${s.catchUp} hint=${s.catchUpHint} value=${e.catchUp} issues=${t}
			onChange=${a=>n({catchUp:a})} />
		<label class="check">
			<input type="checkbox" checked=${e.pauseOnFailure} onChange=${r} />
			${s.pauseOnFailure}
		</label>
	`}function Rt(e,t){let n=e.filter(({path:s})=>s===`/${t}`||t==="exclude"&&s.startsWith("/exclude/"));return[...new Set(n.map(({path:s,message:r})=>{let a=s.split("/")[2];return a===void 0?r:`${Number(a)+1}: ${r}`}))]}function be({name:e,also:t,title:n,hint:s,issues:r,children:a}){let i=[...Rt(r,e),...t?Rt(r,t):[]],l=`schedule-${e}`,$=[s&&`${l}-hint`,i.length>0&&`${l}-wrong`].filter(Boolean).join(" ")||void 0,u={id:l,"aria-describedby":$,"aria-invalid":i.length>0?"true":void 0};return o`<div class="field">
		<label for=${l}>${n}</label>
		${a(u)}
		${s&&o`<small id=${`${l}-hint`}>${s}</small>`}
		${i.length>0&&o`<p class="problem" id=${`${l}-wrong`}>${i.join("; ")}</p>`}
	</div>`}function wn({value:e,onChange:t,...n}){let s=r=>({target:a})=>t({...e,[r]:a.value});return o`<${be} ...${n}>
		${r=>o`<div class="group">
			<input ...${r} class="amount" type="number" min="0" step="any" value=${e.amount} onInput=${s("amount")} />
			<select aria-label=${c.schedules.form.unitOf(n.title)} value=${e.unit} onChange=${s("unit")}>
				${Cr.map(a=>o`<option key=${a} value=${a}>${c.schedules.form.units[a]}</option>`)}
			</select>
		</div>`}
	<//>`}var Hr=100;async function Ct(e,t,n){let s=[];for(let i=0;i<e.length;i+=Hr)s.push(e.slice(i,i+Hr));let a=(await Promise.all(s.map(i=>g("/job-runs/by-schedule",[["schedule",i.join(",")],["last",t]],n)))).flatMap(({data:i})=>i);return new Map(a.map(i=>[i.schedule,i]))}var ec=({status:e})=>e==="pending"||e==="running",tc=({status:e})=>e==="failed"||e==="expired";function Nt(e){let t=e?.last.find(n=>!ec(n));return t&&tc(t)?t:void 0}var It=({run:e})=>o`<${O} to=${{view:"run",id:e.id}}>
	<${M} status="failed" label=${c.schedules.lastFailed} /><//>`;function Lt({runs:e}){return e?e.last.length===0?o`<span class="quiet">${c.schedules.runs.none}</span>`:o`<span class="strip">
		${e.last.toReversed().map(({id:t,status:n,createdAt:s})=>{let r=`${c.status(n)}, ${se(s)}`;return o`<${O} key=${t} to=${{view:"run",id:t}} class="status-${qe(n)}" aria-label=${r} title=${r}>
				<${Z} name=${qe(n)} />
			<//>`})}
	</span>`:o`<span class="quiet">–</span>`}function Dt({id:e,runs:t}){let n=c.schedules.runs;if(!t)return null;let{succeeded:s,failed:r,expired:a}=t.counts,i=r+a,l=s+i;if(l===0)return o`<span class="quiet">–</span>`;let $=[["actor",`schedule:${e}`]],u=[["createdAfter",t.since]];return o`<${O} to=${{view:"runs",words:[...$,...u]}}>${n.rate(s,l)}<//>
		${i>0&&o` · <${O} to=${{view:"runs",words:[["status","failed,expired"],...$,...u]}}>
			<strong class="worse">${n.failed(i)}</strong><//>`}
		${sc(t)&&o` <small>${n.since(se(t.since))}</small>`}`}var nc=864e5,sc=({since:e})=>ze.value-Date.parse(e)<6.9*nc;var rc=10,oc=100,ac=20;function ic(){let{id:e}=E.value,t=w(async n=>{let[{data:s},{data:r}]=await Promise.all([g(`/schedules/${Y(e)}`,[],n),g(`/schedules/${e}/preview`,[["n",rc]],n)]),[a,i]=await Promise.all([cc(e,n),Ct([s.id],oc,n)]);return{schedule:s,preview:r,ticks:a,runs:i.get(s.id)}},[e]);return H("schedules",t.again,n=>n.has(e)),H("runs",t.again,n=>[...n.values()].some(({requestedBy:s})=>s===`schedule:${e}`)),o`<${S} asked=${t} lines=${8} list="schedules">
		${n=>E.value.tab==="edit"?o`<${lc} schedule=${n.schedule} />`:o`<${uc} ...${n} again=${t.again} />`}
	<//>`}function lc({schedule:e}){return o`<div class="screen-head"><h1>${c.schedules.edit} ${e.id}</h1></div>
		${R.value?o`<${Tt} schedule=${e} key=${e.id} />`:o`<${Oe} />`}`}async function cc(e,t){let n=i=>fe(`/schedules/${e}/ticks`,[["limit",100]],i,t),s=0,r=await n(s),a=r.next&&(await g("/job-runs/counts",[],t)).meta.position;for(;r.next&&a>1;){a=Math.ceil(a/2);let i=await n(s+a);i.next&&(s+=a),i.rows.length>0&&(r=i)}return r.rows.reverse()}function uc({schedule:e,preview:t,ticks:n,runs:s,again:r}){let a=c.schedules,i=Nt(s);return o`<div class="screen-head">
			<div><h1>${e.id}</h1><p>${Le(e)} · <${ee} slug=${e.job} /></p></div>
			${R.value&&o`<${pc} schedule=${e} again=${r} />`}
		</div>
		${e.paused&&o`<p class="note"><${M} status="paused" /> <bdi>${e.paused.reason??""}</bdi></p>`}
		<section class="card stack">
			<div class="screen-head">
				<h2>${a.runs.title}</h2>
				${i&&o`<${It} run=${i} />`}
				<div class="actions"><${O} to=${{view:"runs",words:[["actor",`schedule:${e.id}`]]}}>${a.runs.all}<//></div>
			</div>
			<${Lt} runs=${s&&{...s,last:s.last.slice(0,ac)}} />
			<p>${a.runs.week}: <${Dt} id=${e.id} runs=${s} /></p>
		</section>
		<div class="cards">
			<section class="card stack">
				<h2>${a.next}</h2>
				<${yn} ticks=${t} />
			</section>
			<section class="card stack">
				<h2>${c.run.parameters}</h2>
				<${Q} value=${e.parameters} label=${c.run.parameters} />
			</section>
		</div>
		<${$c} schedule=${e} />
		<section class="stack"><h2>${a.past}</h2><${dc} ticks=${n} runs=${s?.last??[]} /></section>`}function $c({schedule:e}){let t=c.schedules,{overlap:n,jitterMs:s,catchUpMs:r,startAt:a,endAt:i,exclude:l,pauseOnFailure:$,owner:u}=e,d=[[t.overlap,t.overlaps[n]],[t.facts.catchUp,D(r)],[t.facts.pauseOnFailure,$?t.yes:t.no],[t.facts.jitter,s>0&&D(s)],[t.facts.start,a&&o`<${A} at=${a} full />`],[t.facts.end,i&&o`<${A} at=${i} full />`],[t.facts.exclude,l.length>0&&l.map(p=>o`<code key=${p}>${p}</code> `)],[t.facts.owner,u]];return o`<dl class="facts card">
		${d.filter(([,p])=>p).map(([p,m])=>o`<div key=${p}><dt>${p}</dt><dd>${m}</dd></div>`)}
	</dl>`}function dc({ticks:e,runs:t}){let n=new Map(t.map(({id:i,status:l})=>[i,l])),s=c.schedules;if(e.length===0)return o`<p class="quiet">${s.noTicks}</p>`;let r=[{name:"first",title:s.due,cell:({dueAt:i,lastDueAt:l,ticks:$})=>o`<${A} at=${i} />${$>1&&o` – <${A} at=${l} />`}`},{name:"status",title:s.outcome,cell:({outcome:i,ticks:l})=>o`<span class="tag">${i}</span> ${l>1&&`\xD7 ${l}`}`},{name:"why",title:s.why,cell:({reason:i,cause:l})=>(i??l)?.replaceAll("_"," ")},{name:"run",title:c.runs.columns.run,cell:({runId:i})=>i&&o`<${F} id=${i} /> ${n.has(i)&&o`<${M} status=${n.get(i)} />`}`}],a=({position:i})=>i;return o`<${te} label=${s.past} rows=${e} keyOf=${a} columns=${r} />`}function pc({schedule:e,again:t}){let n=c.schedules,s=`/schedules/${e.id}`,r=j(oe()),a=async()=>{let l=await J(()=>L(`${s}/trigger`,void 0,{"Idempotency-Key":r.current}));l&&(r.current=oe(),B(c.jobs.launched(l.data.id)))};return o`<div class="actions">
		<button class="danger" onClick=${async()=>{let l={title:n.removeTitle(e.id),text:n.removeText(e.id),action:n.remove};await ce(l)&&await J(()=>le("DELETE",s),n.removed(e.id))&&U({view:"schedules"},{replace:!0})}}>${n.remove} …</button>
		<button onClick=${()=>U({view:"schedule",id:e.id,tab:"edit"})}>${n.edit}</button>
		<${st} paused=${e.paused} name=${e.id} path=${s} text=${n.pauseText} again=${t} />
		<${fc} path=${s} again=${t} />
		<button class="main" onClick=${a}>${n.trigger}</button>
	</div>`}function fc({path:e,again:t}){let n=c.schedules,s=b(""),r=b(""),a=b(null),i=j(!1),l=async $=>{$.preventDefault(),i.current=!1;let u=Pt(s.value),d=0;for(;u&&!i.current;){a.value=d;let p=await J(()=>L(`${e}/backfill`,{from:u,to:Pt(r.value)}));if(!p)break;d+=p.data.count,u=p.data.continueFrom,B(n.filled(d))}a.value=null,t()};return o`<details class="menu">
		<summary>${n.backfill}</summary>
		<form class="menu-box stack" onSubmit=${l}>
			<label>${n.from}<input type="datetime-local" step="1" required value=${s.value} onInput=${G(s)} /></label>
			<label>${n.to}<input type="datetime-local" step="1" required value=${r.value} onInput=${G(r)} /></label>
			<small>${c.zone(Ye())}</small>
			${a.value===null?o`<${hc} path=${e} from=${s.value} to=${r.value} /><button>${n.backfill}</button>`:o`<p>${n.filled(a.value)}</p>
					<button type="button" class="danger" onClick=${()=>i.current=!0}>${n.stop}</button>`}
		</form>
	</details>`}var Pt=e=>new Date(e).toISOString(),qr=10,mc=1e3;function hc({path:e,from:t,to:n}){let s=c.schedules,r=w(async a=>{if(!t||!n)return"";let i=Pt(t),l=0;for(let $=0;i&&$<qr&&!a.aborted;$+=1){let{data:u}=await L(`${e}/backfill`,{from:i,to:Pt(n),dryRun:!0});l+=u.count,i=u.continueFrom}return i?s.wouldFillMore(l,qr*mc):s.wouldFill(l)},[t,n]);return r.error&&!r.isOld?o`<p class="problem">${r.error.message}</p>`:o`<p role="status">${r.isOld?c.loading:r.answer}</p>`}function vc(){return E.value.tab==="new"?o`<${bc} />`:o`<${gc} />`}function bc(){return o`<div class="screen-head"><h1>${c.schedules.create}</h1></div>
		${R.value?o`<${Tt} />`:o`<${Oe} />`}`}function gc(){let e=w(t=>re("/schedules",N.value,t),[]);return H("schedules",e.again),o`<div class="screen-head">
			<h1>${c.schedules.title}</h1>
			${R.value&&o`<div class="actions">
				<button class="main" onClick=${()=>U({view:"schedules",tab:"new"})}>${c.schedules.create}</button>
			</div>`}
		</div>
		<${S} asked=${e}>${t=>o`<${xc} schedules=${t} />`}<//>`}var wc=8,yc=1e4;function kc(e){let t=e.map(({id:s})=>s);return w(async s=>_.value?null:Ct(t,wc,s),[t.join(",")],{everyMs:yc}).answer??(_.value?null:new Map)}function xc({schedules:e}){let t=kc(e),n=c.schedules.columns;if(e.length===0)return o`<${I}
			title=${c.schedules.empty} hint=${c.schedules.emptyHint} command=${c.schedules.emptyCommand} />`;let s=[{name:"first",title:n.schedule,cell:({id:r,job:a})=>o`<${O} to=${{view:"schedule",id:r}}><strong>${r}</strong><//>${" "}
					<small><${ee} slug=${a} /></small>`},{name:"when",title:n.when,cell:r=>Le(r)},{name:"next",title:n.next,cell:({nextAt:r,paused:a})=>a&&!t?o`<${M} status="paused" />`:o`<${A} at=${a?null:r} />`}];return t?s.push(...Oc(t)):s.push({name:"last",title:n.last,cell:({lastTick:r})=>o`<${Fr} tick=${r} />`}),o`<${te} label=${c.schedules.title} rows=${e} keyOf=${({id:r})=>r} columns=${s} />`}function Oc(e){let t=c.schedules.columns;return[{name:"state",title:t.state,cell:n=>o`<${Sc} schedule=${n} runs=${e.get(n.id)} />`},{name:"runs",title:t.runs,cell:({id:n})=>o`<${Lt} runs=${e.get(n)} />`},{name:"week",title:t.week,cell:({id:n})=>o`<${Dt} id=${n} runs=${e.get(n)} />`}]}function Sc({schedule:e,runs:t}){let{paused:n,lastTick:s}=e,r=Nt(t),a=s?.outcome==="skipped"&&s.reason!=="paused";return o`
		${r&&o`<${It} run=${r} />`}
		${n&&o` <${M} status="paused" />`}
		${t&&!r&&!n&&o`<${M} status="ready" label=${c.schedules.active} />`}
		${a&&o` <small><${Fr} tick=${s} /></small>`}
	`}function Fr({tick:e}){return e?o`<span class="tag">${e.outcome}</span>${" "}
		<small><${A} at=${e.dueAt} /></small>${" "}
		${e.runId?o`<${F} id=${e.runId} />`:o`<small>${e.reason?.replaceAll("_"," ")??""}</small>`}`:o`<span class="quiet">–</span>`}var Ac=3e3;function jc(){let e=w(t=>re("/workers",[],t),[],{everyMs:Ac});return o`<div class="screen-head"><h1>${c.workers.title}</h1></div>
		<${S} asked=${e}>${t=>o`<${Mc} workers=${t} again=${e.again} />`}<//>`}function Mc({workers:e,again:t}){let n=c.workers.columns;if(e.length===0)return o`<${I}
			title=${c.workers.empty} hint=${c.workers.emptyHint} command=${c.overview.startWorker} />`;let s=[{name:"first",title:n.worker,cell:({id:r,host:a,pid:i})=>o`<strong class="id">${r}</strong> <small>${c.workers.at(a,i)}</small>
				<${O} to=${{view:"runs",words:[["worker",r]]}}>${c.workers.runs}<//>`},{name:"status",title:n.state,cell:({state:r})=>o`<${M} status=${r} />`},{name:"slots",title:n.slots,cell:({busy:r,slots:a,sharedBusy:i,sharedSlots:l})=>o`<meter min="0" max=${a} value=${r} aria-label=${c.overview.slots(r,a)}>
					</meter>${" "}
					<small>${c.overview.slots(r,a)}</small>
					${l>0&&o`<br /><small>${c.workers.shared(i,l)}</small>`}`},{name:"labels",title:n.labels,cell:({labels:r})=>Object.entries(r).map(([a,i])=>o`
				<span class="tag" key=${a}>${a}=${i}</span>${" "}
			`)},{name:"handlers",title:n.handlers,cell:({entryPoints:r})=>o`<${Ec} names=${r} />`},{name:"beat",title:n.beat,cell:({lastBeatAt:r})=>o`<${A} at=${r} />`},{name:"version",title:n.version,cell:({version:r})=>r},{name:"action",title:c.actions,isTitleHidden:!0,cell:r=>r.state==="alive"&&R.value&&o`<button onClick=${()=>_c(r,t)}>${c.workers.drain} …</button>`}];return o`<${te} label=${c.workers.title} rows=${e} keyOf=${({id:r})=>r} columns=${s} />`}function Ec({names:e}){return e===null?c.workers.any:o`<details>
		<summary>${c.workers.handlers(e.length)}</summary>
		<ul>${e.map(t=>o`<li key=${t}><code>${t}</code></li>`)}</ul>
	</details>`}async function _c({id:e},t){let n=c.workers;await ce({title:`${n.drain} ${e}`,text:n.drainText,action:n.drain})&&await J(()=>L(`/workers/${e}/drain`).then(t),n.drained)}export{Jr as app,Kr as apps,ro as bulk,ua as failures,Ya as job,pi as jobs,Ai as log,Yi as run,El as runs,ic as schedule,vc as schedules,jc as workers};
