// licences.txt names what is in it.
import{$ as Cn,A as R,Aa as L,B as C,Ba as je,C as Le,Ca as _,D as Sn,Da as nt,E as An,Ea as st,F as jn,Fa as qt,G as B,Ga as Ft,H as J,Ha as Hn,I as Ge,Ia as qn,J as Ke,Ja as Fn,K as Mn,Ka as rt,L as De,La as Bt,M as Pe,Ma as Bn,N as ye,Na as Jn,O as En,Oa as Un,P as o,Pa as Wn,Q as V,Qa as Vn,R as Z,Ra as Xn,S as U,Sa as Gn,T as H,Ta as Kn,U as _n,Ua as Yn,V as fe,Va as zn,W as Tn,Wa as Zn,X as Rn,Xa as Qn,Y as Ye,Ya as es,Z as ce,Za as ot,_ as ze,a as F,aa as Nn,b as ge,ba as Q,c as M,ca as Ze,d as z,da as O,e as ie,ea as D,f as b,fa as ee,g as Se,ga as me,h as c,ha as Qe,i as yn,ia as et,j as K,ja as ke,k as kn,ka as P,l as Y,la as In,m as y,ma as S,n as de,na as He,o as xn,oa as E,p as re,pa as te,q as le,qa as A,r as N,ra as Ht,s as we,sa as Ln,t as oe,ta as se,u as pe,ua as Ae,v as Pt,va as Dn,w as I,wa as g,x as Xe,xa as tt,y as On,ya as Pn,z as T,za as ne}from"./dashboard.js";var ts=50;function Nr(){let{id:e}=T.value,t=g(async n=>{let[s,r,a]=await Promise.all([y(`/apps/${Y(e)}`,[],n),y(`/apps/${e}/builds`,[["limit",ts]],n),y(`/apps/${e}/history`,[["limit",ts]],n)]),i=r.meta.hasMore||a.meta.hasMore;return{app:s.data,builds:r.data,history:a.data,isCut:i}},[e]);return L("apps",t.again,n=>n.has(e)),L("builds",t.again,n=>[...n.values()].some(s=>s.repositoryId===e&&!t.answer?.builds.some(r=>r.id===s.id))),o`<${S} asked=${t} lines=${8} list="apps">
		${n=>o`<${Ir} ...${n} again=${t.again} />`}
	<//>`}function Ir({app:e,builds:t,history:n,isCut:s,again:r}){let a=ne(t,"builds",({id:l})=>l),i=c.apps;return o`<div class="screen-head">
			<div><h1>${e.name}</h1><p class="quiet"><code>${e.repoUrl}</code></p></div>
			${_.value&&o`<div class="actions">
				<button onClick=${()=>H(()=>N(`/apps/${e.id}/retry`).then(r))}>${i.retry}</button>
				<button class="main" onClick=${()=>H(()=>N(`/apps/${e.id}/builds`).then(r))}>
					${i.build}
				</button>
			</div>`}
		</div>
		<p>${e.description}</p>
		<p class="tags">
			<${E} status=${e.ingestStatus} />
			${e.tags.map(({key:l,value:$})=>o`<span class="tag" key=${l+$}>${l}:${$}</span>`)}
		</p>
		${e.ingestError&&o`<p class="error-message" tabindex="0"><code>${e.ingestError}</code></p>`}
		${s&&o`<p class="note">${c.apps.cut}</p>`}
		<${Dr} tiles=${e.previewTiles} />
		<section class="stack">
			<h2>${i.builds}</h2>
			${a.length===0?o`<p class="quiet">${i.noBuilds}</p>`:a.map(l=>o`
				<${Pr} key=${l.id} build=${l} again=${r} />
			`)}
		</section>
		<section class="card stack">
			<h2>${i.history}</h2>
			<ol class="needs">
				${n.map(l=>o`<li key=${l.id}>
					<${E} status=${l.status} /> ${l.message}
					<small><${A} at=${l.createdAt} /></small> <${D} id=${l.jobRunId} />
				</li>`)}
			</ol>
		</section>`}var Jt=({src:e,posterUrl:t,embedUrl:n})=>e??t??n??"";function Lr({tile:e}){let t=Jt(e),n=e.title??t;return/^https?:/.test(t)?o`<a href=${t} rel="noreferrer">${n}</a>`:n}function Dr({tiles:e}){return e.length===0?null:o`<section class="stack">
		<h2>${c.apps.previews}</h2>
		<ul class="cards">
			${e.map(t=>o`<li class="card stack" key=${t.id}>
				${Jt(t).startsWith("data:image/")?o`
					<img class="preview" src=${Jt(t)} alt=${t.title?"":c.apps.preview} />
					${t.title&&o`<small>${t.title}</small>`}
				`:o`<${Lr} tile=${t} />`}
			</li>`)}
		</ul>
	</section>`}function Pr({build:e,again:t}){let{id:n,status:s,imageTag:r,errorMessage:a,commitSha:i,createdAt:l,startedAt:$,completedAt:u,durationMs:d,hasLogs:p,jobRunId:m}=e,v=b(!1),f=({target:h})=>v.value=h.open,x=c.apps;return o`<article class="card stack">
		<div class="screen-head">
			<h3><span class="id">${me(n)}</span></h3>
			<${E} status=${s} />
			<small><${A} at=${l} /> · <${Ae} from=${$} to=${u} ms=${d} /></small>
			${m&&o`<${D} id=${m} />`}
			${s==="failed"&&_.value&&o`
				<div class="actions"><button onClick=${()=>H(()=>N(`/builds/${n}/retry`).then(t))}>${x.rebuild}</button></div>
			`}
		</div>
		<p>
			${r&&o`<code>${r}</code>`}${" "}
			${i&&o`<small class="id">${i.slice(0,12)}</small>`}
		</p>
		${a&&o`<p class="problem">${a}</p>`}
		${p&&o`<details onToggle=${f}>
			<summary>${x.log}</summary>
			${v.value&&o`<${Hr} id=${n} status=${s} />`}
		</details>`}
	</article>`}function Hr({id:e,status:t}){let n=g(s=>y(`/builds/${e}/logs`,[],s),[e],{newer:[t],everyMs:t==="running"?2e3:void 0});return o`<${S} asked=${n}>
		${({data:s})=>o`<pre class="log-lines" tabindex="0" aria-label=${c.apps.log}>${s.logs}</pre>`}
	<//>`}var qr=48;function Fr(){let e=Object.fromEntries(T.value.words),t=a=>async i=>{let{data:l,meta:$,total:u}=await y("/apps",[["q",e.q],["status",e.status],["limit",qr],["offset",a]],i);return{rows:l,total:u??l.length,next:$.nextOffset}},n=g(t(0),[e.q,e.status]),s=b(e.q??""),r=a=>{a.preventDefault(),J({words:s.value?[["q",s.value]]:[]})};return o`<div class="screen-head">
			<h1>${c.apps.title} ${n.answer&&o`<span class="count">${Se(n.answer.total)}</span>`}</h1>
			<form class="group" role="search" onSubmit=${r}>
				<input
					type="search" data-filter aria-label=${c.apps.search} placeholder=${c.apps.search}
					value=${s.value} onInput=${V(s)} />
			</form>
		</div>
		<${S} asked=${n}>
			${({rows:a})=>o`
				<${Br} found=${a} isAll=${!e.q&&!e.status} />
				<${fe} asked=${n} load=${i=>t(i)()} />
			`}
		<//>`}function Br({found:e,isAll:t}){let n=ne(e,"apps",({id:s})=>s);return n.length===0&&!t?o`<${P} title=${c.apps.noMatch} hint=${c.apps.noMatchHint} />`:n.length===0?o`<${P} title=${c.apps.empty} hint=${c.apps.emptyHint} command=${c.apps.emptyCommand} />`:o`<ul class="cards">${n.map(s=>o`<${Jr} key=${s.id} app=${s} />`)}</ul>`}function Jr({app:e}){return o`<li class="card stack">
		<div class="screen-head">
			<h2><${O} to=${{view:"app",id:e.id}}>${e.name}<//></h2>
			<${E} status=${e.ingestStatus} />
		</div>
		<p class="two-lines">${e.description}</p>
		${e.ingestError&&o`<p class="problem two-lines">${e.ingestError}</p>`}
		<p class="tags">
			${e.tags.map(({key:t,value:n})=>o`<span class="tag" key=${t+n}>${t}:${n}</span>`)}
		</p>
		<p class="quiet">
			${e.latestBuild&&o`
				<${E} status=${e.latestBuild.status} label=${c.apps.buildIs(e.latestBuild.status)} />
			`}${" "}
			<${A} at=${e.updatedAt} />
		</p>
	</li>`}var Ur={created:"createdAt",started:"startedAt",ended:"completedAt"};function ue({runs:e,selected:t,sort:n="",isBrief:s=!1,isOfOneJob:r=!1}){let a=c.runs.columns,i=n==="started"||n==="ended"?n:"created",l=[{name:"first",title:a.run,cell:$=>o`<${D} id=${$.id} />`},{name:"job",title:a.job,cell:$=>o`<${ee} slug=${$.slug} />`},{name:"status",title:a.status,cell:$=>o`<${Vr} run=${$} />`},{name:"took",title:a.took,cell:$=>o`<${Ae} from=${$.startedAt} to=${$.completedAt} ms=${$.durationMs} />`},{name:"created",title:a[i],cell:$=>o`<${A} at=${$[Ur[i]]} />`}];return s||l.push({name:"why",title:a.details,cell:$=>o`<${Gr} run=${$} />`}),r&&l.splice(1,1),t&&l.unshift(Kr(e,t)),o`<${te} label=${c.runs.title} rows=${e} keyOf=${Wr} columns=${l}
		rowClass=${({id:$})=>t?.value.has($)?"is-selected":""} />`}var Wr=({id:e})=>e;function Vr({run:e}){let t=e.attempt>1;return o`<${E} status=${e.status} />${" "}
		${t&&o`<small>${c.runs.attemptOf(e.attempt,e.maxAttempts)}</small>`}`}var Xr=500;function Gr({run:e}){if(e.errorMessage)return o`<span class="one-line">${e.errorMessage}</span>`;if(e.status==="pending")return o`<small>${c.runs.dueAt} <${A} at=${e.scheduledAt} /></small>`;let t=Object.entries(e.parameters??{}).map(([n,s])=>`${n}=${JSON.stringify(s)}`);return o`<span class="one-line quiet">${t.join(" ").slice(0,Xr)}</span>`}function Kr(e,t){let n=a=>{let i=new Set(t.value);i.delete(a)||i.add(a),t.value=i},s=e.length>0&&e.every(({id:a})=>t.value.has(a)),r=()=>t.value=s?new Set:new Set(e.map(({id:a})=>a));return{name:"select",title:o`<input type="checkbox" aria-label=${c.runs.selectAll} checked=${s} onChange=${r} />`,cell:({id:a})=>o`<input type="checkbox" aria-label=${c.runs.select(me(a))} checked=${t.value.has(a)}
				onChange=${()=>n(a)} />`}}function Yr(){let{id:e}=T.value,t=g(async n=>{if(!e)return ns(null,n);let{data:s}=await y(`/bulk/${Y(e)}`,C.value,n);return{rows:[s],next:null}},[e]);return o`<h1>${c.views.bulk}</h1>
		<${S} asked=${t} list=${e&&"bulk"}>
			${({rows:n})=>o`
				<${zr} operations=${n} />
				<${fe} asked=${t} load=${ns} text=${c.older} />
			`}
		<//>`}var ns=(e,t)=>de("/bulk",C.value,e,t);function zr({operations:e}){let t=Zr(ne(e,"bulk",({id:n})=>n));return t.length===0?o`<${P} title=${c.bulk.empty} hint=${c.bulk.emptyHint} />`:o`<ul class="stack">
		${t.map(n=>o`<${Qr} key=${n.id} operation=${n} />`)}
	</ul>`}function Zr(e){if(T.value.id||R.value)return e;let t=e[0]?.createdAt??"";return[...[...pe.value.recent.bulk.values()].filter(({createdAt:s})=>s>t).sort((s,r)=>r.createdAt.localeCompare(s.createdAt)),...e]}function Qr({operation:e}){let{id:t,action:n,filter:s,status:r,total:a,done:i,refused:l,reason:$,requestedBy:u,createdAt:d,refusals:p}=e,m=c.bulk,v={title:m.abort,text:m.abortHint,action:m.abort},f=()=>ze(v,`/bulk/${t}/abort`,m.abort);return o`<li class="card stack">
		<div class="screen-head">
			<h2>${c.bulk.title(n)}</h2>
			<span class="id">${me(t)}</span> <${E} status=${r} />
			${r==="running"&&_.value&&o`
				<div class="actions"><button class="danger" onClick=${f}>${c.bulk.abort} …</button></div>
			`}
		</div>
		<p class="command"><code>${s.join("  ")}</code></p>
		<progress max=${Math.max(a,1)} value=${a===0?1:i+l}
			aria-label=${c.bulk.running(e)}>
		</progress>
		<p>${c.bulk.running(e)}</p>
		<p class="quiet"><bdi>${$}</bdi> · <bdi>${u}</bdi> · <${A} at=${d} /></p>
		${n!=="cancel"&&!R.value&&o`<${no} operation=${e} isOpen=${T.value.id===t} />`}
		${p.length>0&&o`<ul class="refused">
			${p.slice(0,10).map(({run:x,why:h})=>o`<li key=${x}>${c.bulk.one(x,h)}</li>`)}
		</ul>`}
	</li>`}var eo=10,to=3e3;function no({operation:e,isOpen:t}){let n=b(t);return o`<details open=${t} onToggle=${({target:r})=>n.value=r.open}>
		<summary>${c.bulk.launched}</summary>
		${n.value&&o`<${so} operation=${e} />`}
	</details>`}function so({operation:{id:e,done:t}}){let n=g(r=>y(`/bulk/${e}/runs`,[["limit",eo]],r),[e],{newer:[t],everyMs:to});return o`<${S} asked=${n} lines=${3}>${({data:r,meta:a})=>o`<div class="stack">
		${r.length===0&&o`<p class="quiet">${c.bulk.none}</p>`}
		<p>
			${Object.entries(a.counts??{}).filter(([,i])=>i>0).map(([i,l])=>o`
				<span class="tag" key=${i}>${c.bulk.went(l,i)}</span>${" "}
			`)}
		</p>
		${a.hasMore&&o`<p class="quiet">${c.bulk.newest(r.length)}</p>`}
		${r.length>0&&o`<${ue} runs=${r} />`}
	</div>`}<//>`}function at({action:e,words:t,onClose:n}){let s={action:e,filter:Hn(t)},r=g(()=>N("/bulk",{...s,dryRun:!0}),[]);return o`<${Ye} title=${c.bulk.title(e)} onClose=${n} className="wide">
		<p class="command"><code>${s.filter.join("  ")}</code></p>
		<${S} asked=${r}>
			${({data:a})=>o`
				<${oo} preview=${a} /><${ao} order=${s} count=${a.count} onClose=${n} />
			`}
		<//>
	<//>`}var ro=5;function oo({preview:e}){let{count:t,position:n,sample:s,refused:r}=e;return o`<div class="stack">
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
		${s.length>0&&o`<div><h3>${c.bulk.sample}</h3><${ue} runs=${s.slice(0,ro)} isBrief /></div>`}
	</div>`}function ao({order:e,count:t,onClose:n}){let s=b(""),r=b(""),a=b(""),i=b(""),l=M({body:"",key:""}),$=t>0&&s.value.trim()!==""&&(!Cn||a.value===En.name);return o`<form class="stack" onSubmit=${async d=>{d.preventDefault();try{let p=r.value.trim()&&JSON.parse(r.value),m={...e,reason:s.value,...p&&{patch:{parameters:p}}},v=JSON.stringify(m);l.current.body!==v&&(l.current={body:v,key:oe()});let{data:f}=await N("/bulk",m,{"Idempotency-Key":l.current.key});U(c.bulk.title(e.action)),n(),B({view:"bulk",id:f.id})}catch(p){i.value=p instanceof SyntaxError?c.jobs.badJson:K(p).message}}}>
		<label>${c.reason}<input required maxlength="1000" value=${s.value} onInput=${V(s)} /></label>
		${e.action==="rerun"&&o`
			<label>${c.bulk.patch}<textarea rows="3" placeholder="{}" value=${r.value} onInput=${V(r)}></textarea></label>
		`}
		<${Nn} name=${a} />
		${i.value&&o`<p class="problem" role="alert">${i.value}</p>`}
		<div class="actions">
			<button type="button" onClick=${n}>${c.leaveIt}</button>
			<button class="danger" disabled=${!$}>${c.bulk.go(c.bulk.actions[e.action],t)}</button>
		</div>
	</form>`}var ss=/[\x00-\x08\x0b-\x1f\x7f-\x9f]/,io=new RegExp([/\x1b\[([0-?]*)[ -/]*([@-~])/,/\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?/,/\x1b[PX^_][^\x1b]*(?:\x1b\\)?/,/\x1b[ -/]*[0-~]/,/[\x00-\x08\x0b-\x1f\x7f-\x9f]/,/[^\x00-\x08\x0b-\x1f\x7f-\x9f]+/].map(({source:e})=>e).join("|"),"g"),lt={foreground:null,background:null,is:new Set,classes:""},lo=[];function as(e,t){if(t===lt&&!ss.test(e)&&!e.includes("	"))return{text:e.length>1e4?e.slice(0,1e4):e,spans:lo,style:t};let n=new Wt(t);for(let[s,r,a]of e.matchAll(io))a?n.control(a,r):s==="\r"?n.column=0:s==="\b"?n.column=Math.max(n.column-1,0):ss.test(s)||n.write(s);return{text:n.characters.join(""),spans:n.spans(),style:n.style}}var Wt=class{constructor(t){this.style=t,this.column=0,this.characters=[],this.classes=[]}write(t){for(let n of t)if(n==="	")do this.#e(" ");while(this.column%8!==0&&this.column<1e4);else this.#e(n)}#e(t){if(!(this.column>=1e4)){for(;this.characters.length<this.column;)this.characters.push(" "),this.classes.push("");this.characters[this.column]=t,this.classes[this.column]=this.style.classes,this.column+=1}}control(t,n){let s=Number.parseInt(n,10)||0;t==="m"&&!co.test(n)?this.style=uo(this.style,n):t==="K"?this.#t(s):t==="C"?this.column=Math.min(this.column+(s||1),1e4):t==="D"?this.column=Math.max(this.column-(s||1),0):t==="G"&&(this.column=Math.min((s||1)-1,1e4))}#t(t){let n=t===0?this.column:0;if(t===1){let s=Math.min(this.column+1,this.characters.length);this.characters.fill(" ",0,s),this.classes.fill("",0,s)}else this.characters.length=Math.min(n,this.characters.length),this.classes.length=this.characters.length}spans(){let t=[],n=0;for(let[s,r]of this.characters.entries()){let a=this.classes[s],i=t.at(-1),l=n+r.length;a&&i?.to===n&&i.classes===a?i.to=l:a&&t.length<500&&t.push({from:n,to:l,classes:a}),n=l}return t}},co=/[<=>?]/,rs={1:"bold",2:"dim",3:"italic",4:"underline",7:"inverse",9:"strike"},os={21:["bold"],22:["bold","dim"],23:["italic"],24:["underline"],27:["inverse"],29:["strike"]};function uo(e,t){let{foreground:n,background:s}=e,r=new Set(e.is),a=t.split(";");for(let i=a.shift();i!==void 0;i=a.shift()){let[l,...$]=i.split(":").map(Number);if(l===0)n=s=null,r=new Set;else if(l===38||l===48){let u=$.length>0?is($[0],$.slice($[0]===2?-3:1)):$o(a);l===38?n=u:s=u}else if(l===4&&$[0]===0)r.delete("underline");else if(rs[l])r.add(rs[l]);else if(os[l])for(let u of os[l])r.delete(u);else l===39?n=null:l===49?s=null:it(l,30)||it(l,90)?n=l%10:(it(l,40)||it(l,100))&&(s=l%10)}return n===null&&s===null&&r.size===0?lt:{foreground:n,background:s,is:r,classes:fo(n,s,r)}}var it=(e,t)=>e>=t&&e<t+8;function $o(e){let t=Number(e.shift());return is(t,e.splice(0,t===2?3:1).map(Number))}function is(e,t){if(e===2)return Ut(t);let[n=0]=t;if(e!==5)return null;if(n<16)return n%8;if(n>=232)return Ut([1,1,1].map(r=>r*(8+10*(n-232))));let s=n-16;return Ut([Math.floor(s/36),Math.floor(s/6)%6,s%6].map(r=>r*51))}var po=48;function Ut([e=0,t=0,n=0]){let s=Math.max(e,t,n),r=Math.min(e,t,n);if(s-r<po)return s<128?0:7;let a=(s+r)/2;return(e>a?1:0)+(t>a?2:0)+(n>a?4:0)}function fo(e,t,n){let s=n.has("inverse")?e??7:t,r=s===null?e!==null&&`ansi-${e}`:`ansi-on-${s}`,a=[...n].filter(i=>i!=="inverse").map(i=>`ansi-${i}`);return[r,...a].filter(Boolean).join(" ")}var mo=1e5,ho=1e4,ls=1e5,$s=/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?[Zz] /,xe=class{dropped=0;#e=[];#t=[];#r=new Map;#s=new Set;#o=lt;#n="";#a=!1;get end(){return this.finished+(this.#n!==""&&!this.#a?1:0)}get finished(){return this.dropped+this.#e.length}add(t){let n=(this.#n+t).split(`
`);this.#n=vo(n.pop()??"");for(let r of n)this.#i(r);let s=this.#e.length-mo;s>ho&&this.#l(s)}finish(){this.#n!==""&&!this.#a&&this.#i(this.#n),this.#a=!0}line(t){return t>=this.finished?cs(this.#n,this.#o):{text:this.#e[t-this.dropped]??"",spans:this.#r.get(t)??[],isError:this.#s.has(t)}}errors(){return this.end>this.finished&&this.line(this.finished).isError?[...this.#s,this.finished]:[...this.#s]}width(t){return t>=this.finished?us(this.line(t).text):this.#t[t-this.dropped]}#i(t){let{text:n,spans:s,style:r,isError:a}=cs(t,this.#o);this.#o=r,a&&this.#s.add(this.finished),s.length>0&&this.#r.set(this.finished,s),this.#e.push(n),this.#t.push(us(n))}#l(t){this.#e.splice(0,t),this.#t.splice(0,t),this.dropped+=t;for(let n of[this.#r,this.#s])for(let s of n.keys()){if(s>=this.dropped)break;n.delete(s)}}};function cs(e,t){let n=$s.exec(e)?.[0]??"",s=as(e.slice(n.length),t),r=s.spans.map(a=>({...a,from:a.from+n.length,to:a.to+n.length}));return{...s,text:n.toUpperCase()+s.text,spans:r,isError:n.endsWith("z ")}}function vo(e){if(e.length<=ls)return e;let t=$s.exec(e)?.[0]??"",n=e.slice(Math.max(e.lastIndexOf("\r")+1,t.length));return(t+n).slice(0,ls)}var bo=/^[ -~]*$/,go=new RegExp("[\\u1100-\\u115f\\u2e80-\\ua4cf\\uac00-\\ud7a3\\uf900-\\ufaff\\ufe30-\\ufe6f\\uff00-\\uff60\\uffe0-\\uffe6]|\\p{Emoji_Presentation}|[\\u{20000}-\\u{3fffd}]","gu");function us(e){if(bo.test(e))return e.length;let t=e.match(go)?.length??0;return[...e].length+t}function ds(e,t,n,s=null){let r=s===null?e.end-e.dropped:s.length,a=s===null?wo(e.dropped,r):yo(s,e.end);if(t===null)return{count:r,begins:l=>l,...a};let i=new Float64Array(r+1);for(let l=0;l<r;l+=1){let $=a.numberAt(l),u=n.get($)??Math.max(Math.ceil(e.width($)/t),1);i[l+1]=i[l]+u}return{count:r,begins:l=>i[l],...a}}function wo(e,t){return{numberAt:n=>e+n,indexOf:n=>Math.min(Math.max(n-e,0),t)}}function yo(e,t){return{numberAt:n=>e[n]??t,indexOf:n=>{let s=0,r=e.length;for(;s<r;){let a=s+r>>1;e[a]<n?s=a+1:r=a}return s}}}function ct(e,{count:t,begins:n}){let s=0,r=Math.max(t-1,0);for(;s<r;){let a=Math.ceil((s+r)/2);n(a)<=e?s=a:r=a-1}return s}function ut(e){return e===""?null:new RegExp(e.replace(/[\\^$.*+?()[\]{}|]/g,"\\$&"),"gi")}var Me=class{hits=[];#e=0;#t;constructor(t){this.#t=new RegExp(t.source,"i")}advance(t,n){for(this.hits[0]<t.dropped&&(this.hits=this.hits.filter(s=>s>=t.dropped)),this.#e=Math.max(this.#e,t.dropped);this.#e<t.finished;){if(this.#e%256===0&&n())return!1;this.#t.test(t.line(this.#e).text)&&this.hits.push(this.#e),this.#e+=1}return!0}};function ps(e,t,n,s){if(e.length===0)return null;let r=t??(s===1?n.first-1:n.last+1),a=e.findIndex(l=>l>r);if(s===1)return a===-1?e[0]:e[a];let i=e.findLastIndex(l=>l<r);return i===-1?e[e.length-1]:e[i]}function qe({text:e,spans:t},n){let r=(n===null?[]:[...e.matchAll(n)]).map(({index:d,0:{length:p}})=>({from:d,to:d+p})),a=[0,e.length,...[...t,...r].flatMap(({from:d,to:p})=>[d,p])],i=[...new Set(a)].sort((d,p)=>d-p),l=d=>{let p=0;return m=>{for(;d[p]?.to<=m;)p+=1;return d[p]?.from<=m?d[p]:null}},$=l(t),u=l(r);return i.slice(1).map((d,p)=>{let m=i[p];return{text:e.slice(m,d),classes:$(m)?.classes??"",isHit:u(m)!==null}})}var ae=20,fs=20;function hs({run:e}){let t=Object.fromEntries(T.value.words),n=ms(t.attempt,e.attempt)??Math.max(Vt(e),1),s=ms(t.line,1/0),r=t.find??"",{log:a,version:i,isGrowing:l,error:$}=Co(e.id,n),u=c.run.log,d=({target:p})=>J({words:[["attempt",p.value]]});return o`<section class="card stack log">
		${R.value&&o`<p class="note">${c.past.notHere}</p>`}
		${e.attempt>1&&o`<label class="inline">
			${c.run.attempts}
			<select value=${n} onChange=${d}>
				${Array.from({length:e.attempt},(p,m)=>o`
					<option key=${m} value=${m+1}>${c.run.attempt(m+1)}</option>
				`)}
			</select>
		</label>`}
		${$&&o`<${In} error=${$} />`}
		${a.dropped>0&&o`<p class="note">${u.cut}</p>`}
		${a.end===0&&!$?o`<p class="quiet">${l?c.loading:u.empty}</p>`:o`<${ko} log=${a} version=${i} isGrowing=${l} attempt=${n} linked=${s} find=${r}
			save=${()=>H(()=>_o(e.id,n))} key=${n} />`}
	</section>`}var Vt=({startedAt:e,attempt:t})=>e?t:t-1;function ms(e,t){return/^[1-9][0-9]{0,8}$/.test(e??"")&&Number(e)<=t?Number(e):null}function ko({log:e,version:t,isGrowing:n,attempt:s,linked:r,find:a,save:i}){let l=c.run.log,$=b(a),u=b(null),d=z(()=>ut($.value),[$.value]),p=z(()=>e.errors(),[e,t]),m=b(!1),v=Eo(e,t,d),f=m.value?v.filter(k=>e.line(k).isError):v,x=u.value??(r===null?null:r-1),h=jo(e,t,m.value?p:null,x,r===null),w=M(null);F(()=>{if(r===null||w.current===r||r>h.layout.numberAt(h.layout.count))return;w.current=r;let{first:k,last:q}=h.visible();(r-1<k||r-1>q)&&h.show(r-1)},[r,t]);let j=k=>{let q=ps(f,u.value,h.visible(),k);q!==null&&(u.value=q,h.show(q))},X=k=>{u.value=null,V($)(k)},W=k=>{k.preventDefault(),j(1)},ve=({target:k})=>m.value=k.checked,G=({target:k})=>Pe.value=k.checked,Ne=k=>{k.key!=="Enter"||!k.shiftKey||(k.preventDefault(),j(-1))},Ie=u.value===null?-1:f.indexOf(u.value),Dt=h.sticks.value?l.follows:l.grows;return o`<form class="group" role="search" onSubmit=${W}>
			<input type="search" aria-label=${l.search} placeholder=${l.search} value=${$.value}
				onInput=${X} onKeyDown=${Ne} />
			<button type="button" aria-label=${l.previous} title=${l.previous} disabled=${f.length===0}
				onClick=${()=>j(-1)}>↑</button>
			<button type="button" aria-label=${l.next} title=${l.next} disabled=${f.length===0}
				onClick=${()=>j(1)}>↓</button>
			${d&&o`<span class="quiet" role="status">
				${Ie===-1?l.found(f.length):l.hit(Ie+1,f.length)}</span>`}
			<span class="quiet">${l.lines(e.end)}${n?` \xB7 ${Dt}`:""}</span>
			<label class="check"><input type="checkbox" checked=${m.value} disabled=${p.length===0}
				onChange=${ve} />${l.errors(p.length)}</label>
			<label class="check"><input type="checkbox" checked=${Pe.value}
				onChange=${G} />${l.wrap}</label>
			<button type="button" disabled=${h.sticks.value} onClick=${h.toEnd}>${l.latest}</button>
			<button type="button" onClick=${i}>${l.download}</button>
		</form>
		<div class="log-box ${Pe.value?"is-wrapped":""}" ref=${h.element} tabindex="0" role="log"
			aria-live="off" aria-label=${c.run.tabs.log} ...${h.handlers}>
			<div class="line is-ruler" aria-hidden="true"><span class="line-number"></span><span class="line-stream"></span><span class="line-text"
				><span>${"0".repeat(gs)}</span></span></div>
			<${xo} log=${e} version=${t} box=${h} pattern=${d} attempt=${s}
				current=${u.value} linked=${r} />
		</div>`}function xo({log:e,box:t,pattern:n,attempt:s,current:r,linked:a}){let{begins:i,count:l}=t.layout,{top:$,height:u}=t.view.value,d=ct(Math.floor($/ae)-fs,t.layout),p=Math.min(ct(Math.ceil(($+u)/ae)+fs,t.layout)+1,l),m=Array.from({length:p-d},(h,w)=>t.layout.numberAt(d+w)),v=M(null);ge(()=>v.current?t.measure(v.current):void 0);let f=h=>({...T.value,words:[["attempt",s],["line",h+1]]}),x=h=>h===r?"is-current":h+1===a?"is-linked":"";return o`<svg class="spacer" width="1" height=${i(d)*ae} aria-hidden="true"></svg>
		<div ref=${v}>
			${m.map(h=>({number:h,line:e.line(h)})).map(({number:h,line:w})=>o`
				<div class="line ${x(h)}" key=${h} data-number=${h}>
					<${O} to=${f(h)} class="line-number" tabindex="-1" aria-label=${c.run.log.line(h+1)}>
						${h+1}<//>
					<${bs} isError=${w.isError} />
					<span class="line-text">${qe(w,n).map($t)}</span>
				</div>`)}
		</div>
		<svg class="spacer" width="1" height=${(i(l)-i(p))*ae} aria-hidden="true"></svg>`}function vs({text:e}){let t=z(()=>Oo(e),[e]);return Array.from({length:t.end},(n,s)=>{let r=t.line(s);return o`<${bs} isError=${r.isError} />${qe(r,null).map($t)}${`
`}`})}function bs({isError:e}){return e?o`<span class="line-stream" role="img" aria-label="stderr" title="stderr">!</span>`:o`<span class="line-stream"></span>`}function Oo(e){let t=new xe;return t.add(e),t.finish(),t}function $t({text:e,classes:t,isHit:n}){let s=t?o`<span class=${t}>${e}</span>`:e;return n?o`<mark>${s}</mark>`:s}var gs=100,So=200,Ao=["ArrowUp","PageUp","Home"];function jo(e,t,n,s,r){let a=M(null),i=b({top:0,height:480,columns:80}),l=b(r),$=M(0),u=M({first:0,last:0}),d=M({before:0,now:0,at:0}),p=M({columns:null,rows:new Map}),m=b(0),v=Pe.value?i.value.columns:null;p.current.columns!==v&&(p.current={columns:v,rows:new Map});let f=z(()=>ds(e,v,p.current.rows,n),[e,t,n,v,m.value]),x=()=>{let{top:k,height:q}=i.value,be=Oe=>f.numberAt(ct(Oe,f));return{first:be(Math.ceil(k/ae)),last:be(Math.floor((k+q)/ae)-1)}},h=()=>a.current.scrollHeight-a.current.clientHeight,w=()=>performance.now()-d.current.at<So?d.current.before:h(),j=()=>{let{scrollTop:k,clientHeight:q}=a.current;i.value={...i.value,top:k,height:q},u.current=x()},X=k=>f.begins(f.indexOf(k))*ae,W=k=>{a.current.scrollTop=k,$.current=a.current.scrollTop,j()},ve=k=>{l.value=!1,W(Math.max(X(k)-a.current.clientHeight/2,0))},G=()=>{l.value=!0,W(a.current.scrollHeight)},Ne=()=>{a.current.scrollTop>0&&(l.value=!1)},Ie=()=>{let{scrollTop:k}=a.current;return k<$.current&&k<h()-ae},Dt=()=>{let{scrollTop:k}=a.current;Ie()?l.value=!1:k>$.current&&k>w()-ae&&(l.value=!0),$.current=k,j()};return ge(()=>{d.current={before:d.current.now,now:h(),at:performance.now()},l.value&&Ie()&&(l.value=!1),l.value&&G()},[t,n===null,v,m.value,i.value.height]),ge(()=>{if(l.value)return;let{first:k,last:q}=u.current;s!==null&&s>=k&&s<=q?ve(s):W(X(k))},[n===null,v]),ge(()=>{let k=new ResizeObserver(()=>{let q=a.current.querySelector(".is-ruler .line-text"),be=q.firstElementChild.getBoundingClientRect().width/gs,{clientHeight:Oe}=a.current;i.value={...i.value,height:Oe,columns:Math.max(Math.floor(q.clientWidth/be),1)},l.peek()&&G()});return k.observe(a.current),()=>k.disconnect()},[]),{element:a,view:i,sticks:l,layout:f,toEnd:G,visible:x,show:ve,measure:k=>{if(v===null)return;let q=!1;for(let be of k.children){let Oe=Number(be.dataset.number),gn=f.indexOf(Oe),wn=Math.max(Math.round(be.offsetHeight/ae),1);wn!==f.begins(gn+1)-f.begins(gn)&&(p.current.rows.set(Oe,wn),q=!0)}q&&(m.value+=1)},handlers:{onScroll:Dt,onWheel:({deltaY:k})=>k<0&&Ne(),onTouchMove:Ne,onKeyDown:({key:k})=>Ao.includes(k)&&Ne()}}}var Mo=8;function Eo(e,t,n){let s=z(()=>n&&new Me(n),[e,n]),r=b(0);return F(()=>{if(s===null)return;let a,i=()=>{let l=performance.now(),$=s.advance(e,()=>performance.now()-l>Mo);r.value+=1,$||(a=setTimeout(i))};return i(),()=>clearTimeout(a)},[s,t]),r.value>=0&&s!==null?s.hits:[]}async function _o(e,t){let n=[];for await(let{piece:r}of we(`/job-runs/${e}/logs`,[["attempt",t]]))n.push(r);let s=document.createElement("a");s.href=URL.createObjectURL(new Blob(n,{type:"text/plain"})),s.download=`${e}-${t}.log`,s.click(),URL.revokeObjectURL(s.href)}var To=1e3,Ro=80;function Co(e,t){let n=()=>({log:new xe,version:0,isGrowing:!0,error:null}),s=b(n());return F(()=>{let r=new AbortController;s.value=n();let{log:a}=s.value,i=l=>s.value={...s.value,version:s.value.version+1,...l};return No(e,t,a,r.signal,i),()=>r.abort()},[e,t]),s.value}async function No(e,t,n,s,r){let a=0,i,l=()=>{i=void 0,s.aborted||r({error:null})};for(;!s.aborted;){try{let $=[["attempt",t],["offset",a],["follow",!0]];for await(let{piece:d,bytes:p}of we(`/job-runs/${e}/logs`,$,s))n.add(d),a+=p,i??=setTimeout(l,Ro);clearTimeout(i),i=void 0;let u=await Io(e,t,s);if(s.aborted||(u&&n.finish(),r({error:null,isGrowing:!u}),u))return}catch($){if(s.aborted)return;let u=K($),d=u.status!==void 0&&u.status>=400&&u.status<500;if(r(d?{error:u,isGrowing:!1}:{error:u}),d)return}await new Promise($=>setTimeout($,To))}}async function Io(e,t,n){let{data:{run:s}}=await y(`/job-runs/${e}`,[],n);return s.completedAt!==null||s.attempt>t}var Lo=1e3,Do=4,Po=3;function ws({runs:e}){let t=c.failures.logs,n=b(""),s=b(null),r=M(null);return F(()=>()=>r.current?.abort(),[]),o`<section class="stack">
		<form class="group" role="search" onSubmit=${i=>{i.preventDefault(),r.current?.abort(),r.current=new AbortController,qo(e,n.value,r.current.signal,l=>s.value=l)}}>
			<input type="search" required aria-label=${t.search} placeholder=${t.search} value=${n.value}
				onInput=${V(n)} />
			<button>${t.go}</button>
		</form>
		${s.value&&o`<${Ho} ...${s.value} count=${e.length} />`}
	</section>`}function Ho({sought:e,results:t,count:n}){let s=c.failures.logs,r=t.filter(l=>l!==void 0),a=r.filter(({hits:l})=>l),i=r.filter(({hits:l})=>l===null).length;return o`<p class="quiet" role="status">
			${s.searched(a.length,r.length,n)}${i>0&&` ${s.unread(i)}`}
		</p>
		<ul class="stack found-logs">
			${a.map(({run:l,hits:$,lines:u})=>o`<li key=${l.id}>
				<p><${D} id=${l.id} /> · <${O}
					to=${{view:"run",id:l.id,tab:"log",words:[["attempt",l.attempt],["find",e]]}}>
					${s.hits($??0)}<//></p>
				<pre class="json" tabindex="0"><code>${u.map(d=>o`${d.map($t)}${`
`}`)}</code></pre>
			</li>`)}
		</ul>`}async function qo(e,t,n,s){let r=ut(t);if(!r)return;let a=Array.from(e,()=>{}),i=0,l=async()=>{for(;i<e.length&&!n.aborted;){let $=i;i+=1;let u=await Fo(e[$],r,n);if(n.aborted)return;a[$]=u,s({sought:t,results:[...a]})}};s({sought:t,results:a}),await Promise.all(Array.from({length:Do},l))}async function Fo(e,t,n){if(e.attempt===0)return{run:e,hits:0,lines:[]};let s=new xe;try{let i=[["attempt",e.attempt],["last",Lo]];for await(let{piece:l}of we(`/job-runs/${e.id}/logs`,i,n))s.add(l)}catch{return{run:e,hits:null,lines:[]}}s.finish();let r=new Me(t);r.advance(s,()=>!1);let{hits:a}=r;return{run:e,hits:a.length,lines:a.slice(0,Po).map(i=>qe(s.line(i),t))}}var Bo=["open","resolved","ignored"];function Jo(){let{words:e,id:t}=T.value,n=Object.fromEntries(e),s=n.status??"open",r=JSON.stringify([t,s,n.job,R.value]),a=M({list:r,count:0});a.current.list!==r&&(a.current={list:r,count:0});let i=g(u=>xn(d=>ys(t,s,n.job,u,d),a.current.count),[t,s,n.job]);L("failures",i.again);let l=u=>J({id:"",words:[["status",u],...e.filter(([d])=>d!=="status")]}),$=async u=>{let d=await ys("",s,n.job,void 0,u);return a.current.count=Math.max(a.current.count,i.answer?.rows.length??0)+d.rows.length,d};return o`<div class="screen-head">
			<h1>${c.failures.title}</h1>
			<div class="group" role="group" aria-label=${c.runs.columns.status}>
				${Bo.map(u=>o`
					<button key=${u} aria-pressed=${!t&&u===s} onClick=${()=>l(u)}>${u}</button>
				`)}
			</div>
		</div>
		<${S} asked=${i} list=${t&&"failures"}>
			${({rows:u})=>o`<${Wo} key=${r} groups=${u} asked=${i} load=${$} />`}
		<//>`}async function ys(e,t,n,s,r=null){return e?{rows:[await Uo(e,s)],next:null}:de("/failures",[["status",t],["job",n],...C.value],r,s)}async function Uo(e,t){if(R.value==="")return(await y(`/failures/${Y(e)}`,[],t)).data;let s=(await re("/failures",C.value,t)).find(({fingerprint:r})=>r===e);if(!s)throw new yn(404,"failure_not_found",c.failures.notThen);return s}function Wo({groups:e,asked:t,load:n}){let s=Vo(e),r=Ko(s);return s.length===0?o`<${P} title=${c.failures.empty} hint=${c.failures.emptyHint} />`:o`<ul class="stack">
			${s.map(a=>o`
				<${Zo} key=${a.fingerprint} group=${a} trend=${r.get(a.fingerprint)} again=${t.again}
					isOpen=${T.value.id===a.fingerprint} />
			`)}
		</ul>
		<${fe} asked=${t} load=${n} />`}function Vo(e){let t=M([]);t.current=Un(t.current,e.map(({fingerprint:r})=>r));let n=new Map(t.current.map((r,a)=>[r,a])),s=({fingerprint:r})=>n.get(r)??0;return e.toSorted((r,a)=>s(r)-s(a))}var Xo=864e5,dt=18e5,Go=1e4,ks=100;function Ko(e){let t=e.map(({fingerprint:s})=>s);return g(s=>Yo(t,s),[t.toSorted().join(","),Ke.value],{everyMs:Go}).answer??new Map}async function Yo(e,t){if(R.value||e.length===0)return new Map;let n=[];for(let u=0;u<e.length;u+=ks)n.push(e.slice(u,u+ks));let s=Math.ceil(Ge.value/dt)*dt,[r,a]=[s-Xo,s].map(u=>new Date(u).toISOString()),i={from:r,to:a,bucketMs:dt},l=await Promise.all(n.map(u=>y("/failures/over-time",[["group",u.join(",")],["from",r],["bucketMs",dt]],t))),$=({fingerprint:u,since:d,buckets:p})=>{let m=p.reduce((v,{failures:f})=>v+f,0);return[u,{buckets:Xn(p,i),failed:m,isWhole:Date.parse(d)<=Date.parse(r),since:d}]};return new Map(l.flatMap(({data:u})=>u).map($))}var zo={open:["resolve","ignore"],resolved:["reopen"],ignored:["reopen"]},Xt=ie("");function Zo({group:e,trend:t,again:n,isOpen:s}){let r=b(s),{fingerprint:a,title:i,job:l,reason:$,frame:u,status:d,count:p,recovered:m,firstAt:v,lastAt:f,affectedVersions:x,sampleRun:h,resolvedInVersion:w}=e,j=c.failures,X=G=>H(()=>N(`/failures/${a}/${G}`).then(n),j.done[G]),W=({target:G})=>r.value=G.open,ve=[["failureGroup",a]];return o`<li class="card stack">
		<div class="screen-head">
			<${E} status=${d} />
			<h2 class="failure-title">${i}</h2>
			${_.value&&o`<div class="actions">
				${d==="open"&&o`
					<button onClick=${()=>Xt.value=a}>${j.retryAll} …</button>
				`}
				${zo[d].map(G=>o`<button key=${G} onClick=${()=>X(G)}>${j[G]}</button>`)}
			</div>`}
		</div>
		<p>
			<${ee} slug=${l} /> · <code>${$}</code> ${u&&o`· <code>${u}</code>`} ·${" "}
			${j.versions(x)}
		</p>
		<p>
			<strong>${j.times(p+m)}</strong>${m>0&&`, ${j.recovered(m)}`} ·${" "}
			${j.first} <${A} at=${v} /> · ${j.last} <${A} at=${f} /> · ${j.sample}:${" "}
			<${D} id=${h} /> · <${O} to=${{view:"runs",words:ve}}>${c.runs.title}<//>
		</p>
		${d==="resolved"&&p===0&&w===null&&o`<p class="quiet">${j.allRecovered}</p>`}
		${t&&o`<p><${ot} buckets=${t.buckets} /> <small>${t.isWhole?j.day(t.failed):j.since(t.failed,se(t.since))}</small></p>`}
		<details open=${s} onToggle=${W}>
			<summary>${j.details}</summary>
			${r.value&&o`<${ta} group=${e} />`}
		</details>
		${Xt.value===a&&o`
			<${at} action="retry" words=${[["job",l],...ve,["retried","false"]]} onClose=${()=>Xt.value=""} />
		`}
	</li>`}var Qo=50,xs=30,ea=1e3;function ta({group:e}){let{fingerprint:t,lastAt:n}=e,s=[["failureGroup",t],["limit",Qo],...C.value],r=g(async a=>(await y("/job-runs",s,a)).data.map(({run:i})=>i),[t],{newer:[n]});return o`<${S} asked=${r}>
		${a=>o`<${na} runs=${a} lastAt=${Date.parse(n)} />`}
	<//>`}function na({runs:e,lastAt:t}){let n=c.failures;if(e.length===0)return o`<${P} title=${n.noRuns} hint=${n.noRunsHint} />`;let s=Math.min(...e.map(({completedAt:i})=>i?Date.parse(i):t)),r=Math.max((t-s)/(xs-1),ea),a=Gn(e,t,xs,r);return o`<div class="stack">
		${e.length>1&&o`<${Dn} buckets=${a} text=${n.trend(e.length,I(t-s))}
			told=${({all:i})=>n.times(i)} />`}
		<${ue} runs=${e.slice(0,10)} isBrief />
		<${ws} runs=${e} />
	</div>`}function pt(e){let t=c.jobs.limitOf,{maxConcurrentRuns:n,concurrencyKey:s,concurrencyLimit:r,rateLimit:a,fairnessKey:i,workerLabels:l}=e,$=Object.entries(l??{}).map(([u,d])=>`${u}=${d}`);return[n&&t.runs(n),s&&t.key(s,r),a&&t.rate(a.limit,I(a.periodMs)),i&&t.turns(i),...$].filter(u=>typeof u=="string")}var sa=["id","slug","version","createdAt","updatedAt","paused"];function Ss(e){return Object.fromEntries(Object.entries(e).filter(([t])=>!sa.includes(t)))}function As(e,t){let n=[...new Set([...Object.keys(e),...Object.keys(t)])],s=r=>JSON.stringify(e[r])!==JSON.stringify(t[r]);return Object.fromEntries(n.filter(s).map(r=>[r,t[r]??null]))}var ra=["job_definition.registered","job_definition.registered_again"];function js(e){let t={};return e.map(({position:s,type:r,occurredAt:a,actor:i,data:l})=>{let $=t;ra.includes(r)?t=l.spec??{}:r==="job_definition.revised"&&(t={...t,...l.changes});let u=r==="job_definition.registered"?[]:Gt($,t),d=r.replace("job_definition.","").replaceAll("_"," "),{version:p,reason:m=null}=l;return{position:s,kind:d,version:p,at:a,by:i,reason:m,changes:u}}).reverse()}var oa=new Set(["id","createdAt","updatedAt","scheduledAt","startedAt","completedAt","logsUrl","idempotencyKey"]);function Gt(e,t){let n=[],s=new Set([...Object.keys(e),...Object.keys(t)]);for(let r of s)oa.has(r)||Ms(r,e[r],t[r],n);return n}function Ms(e,t,n,s){if(Os(t)&&Os(n)&&Array.isArray(t)===Array.isArray(n)){let r=new Set([...Object.keys(t),...Object.keys(n)]);for(let a of r)Ms(`${e}.${a}`,t[a],n[a],s)}else Object.is(t,n)||s.push({path:e,before:t,after:n})}var Os=e=>typeof e=="object"&&e!==null;var aa=["string","integer","number","boolean"];function Kt(e){let t=ft("",e??{},!0,e??{},0);return t.kind==="json"&&ia(e??{})?{...t,kind:"object",fields:[]}:t}var ia=e=>Object.keys(e).every(t=>["type","title","description","$schema","$defs"].includes(t));function ft(e,t,n,s,r){let{schema:a,isNullable:i}=$a(Yt(t,s),s),l={name:e,title:e,hint:"",kind:"json",isRequired:n,isNullable:i};if(!a||r>6)return l;let{title:$=e,format:u,type:d}=a,p={...l,title:$,hint:[a.description,...ua(a)].filter(Boolean).join(" \xB7 "),..."default"in a&&{initial:a.default},isSecret:a.writeOnly===!0||u==="password"},m=a.enum??("const"in a?[a.const]:void 0);if(m)return{...p,kind:"choice",choices:m};let v=a.oneOf??a.anyOf;if(v&&!a.properties)return la(p,v,s,r);if(v||a.allOf||a.patternProperties||a.prefixItems)return p;if(d==="string")return{...p,kind:d,format:u,isLong:!u&&!((a.maxLength??1/0)<=100)};if(aa.includes(d))return{...p,kind:d};if(a.properties){let f=a.required??[],x=Object.entries(a.properties).map(([h,w])=>ft(h,w,f.includes(h),s,r+1));return{...p,kind:"object",fields:x.sort((h,w)=>Number(w.isRequired)-Number(h.isRequired))}}return d==="array"&&a.items?{...p,kind:"array",item:{...ft("",a.items,!0,s,r+1),title:""}}:p}function la(e,t,n,s){let r=t.map((a,i)=>{let l=ft(e.name,a,!0,n,s+1),$=(l.fields??[]).filter(({kind:d,choices:p})=>d==="choice"&&p?.length===1),u=l.title!==e.name&&l.title?l.title:$[0]?.choices?.[0]??ca(l);return{...l,title:String(u||i+1)}});return{...e,kind:"union",options:r}}var ca=({kind:e,choices:t})=>t?t.map(String).join(", "):e;function ua(e){let t=($,u,d)=>$!==void 0&&u!==void 0?`${$} to ${u}${d}`:$!==void 0?`at least ${$}${d}`:u!==void 0?`at most ${u}${d}`:"",{minimum:n,maximum:s,exclusiveMinimum:r,exclusiveMaximum:a,multipleOf:i,pattern:l}=e;return[t(n,s,""),r!==void 0&&`more than ${r}`,a!==void 0&&`less than ${a}`,i!==void 0&&`a multiple of ${i}`,t(e.minLength,e.maxLength," characters"),t(e.minItems,e.maxItems," entries"),l!==void 0&&`as ${l}`].filter(Boolean)}function Yt(e,t,n=0){if(typeof e!="object"||e===null)return{};if(!e.$ref)return e;let r=(e.$ref==="#"?[]:e.$ref.startsWith("#/")?e.$ref.slice(2).split("/"):null)?.reduce((a,i)=>a?.[i.replaceAll("~1","/").replaceAll("~0","~")],t);return!r||n>6?null:{...Yt(r,t,n+1),...e,$ref:void 0}}function $a(e,t){if(!e)return{schema:null,isNullable:!1};let n=e.anyOf?"anyOf":"oneOf",s=Array.isArray(e.type)?e.type.map(u=>({type:u})):e[n];if(!s)return{schema:e,isNullable:!1};let r=s.filter(({type:u})=>u!=="null"),a=r.length<s.length,{[n]:i,type:l,...$}=e;return r.length===1?{schema:{...Yt(r[0],t),...$},isNullable:a}:{schema:{...$,anyOf:r},isNullable:a}}function Ee(e,t){if(t===void 0||e.kind==="choice"&&e.choices?.some(n=>da(n,t)))return!0;if(t===null)return e.isNullable||e.kind==="json";switch(e.kind){case"string":return typeof t=="string";case"integer":return Number.isSafeInteger(t);case"number":return typeof t=="number";case"boolean":return typeof t=="boolean";case"choice":return!1;case"array":return Array.isArray(t);case"union":return!!e.options?.some(n=>mt(n,t));case"object":return typeof t=="object"&&!Array.isArray(t);default:return!0}}var da=(e,t)=>JSON.stringify(e)===JSON.stringify(t);function mt(e,t){return t===void 0||!Ee(e,t)?!1:e.kind==="array"&&t!==null?t.every(n=>mt(e.item,n)):e.kind!=="object"||t===null?!0:(e.fields??[]).every(n=>t[n.name]===void 0?!n.isRequired:Ee(n,t[n.name]))}function Es({options:e=[]},t,n){if(e[n]&&mt(e[n],t))return n;let s=e.findIndex(r=>mt(r,t));return s===-1?n:s}function zt({kind:e,isRequired:t,isNullable:n,initial:s}){let r=s!=null;if(!(!t&&!r))return n?null:e==="string"?"":void 0}var _s=(e,t)=>Object.keys(t??{}).filter(n=>!e.fields?.some(s=>s.name===n));function ht(e){if(e.initial!==void 0)return e.initial;switch(e.kind){case"choice":return e.choices?.[0];case"string":return"";case"integer":case"number":return 0;case"boolean":return!1;case"array":return[];case"object":return vt(e);case"union":return e.options?.[0]?ht(e.options[0]):null;default:return null}}function vt(e){let t=(e.fields??[]).map(n=>n.initial!==void 0?[n.name,n.initial]:n.isRequired&&n.kind==="choice"&&n.choices?.length===1?[n.name,n.choices[0]]:n.isRequired&&n.kind==="object"?[n.name,vt(n)]:[n.name,void 0]);return Object.fromEntries(t.filter(([,n])=>n!==void 0))}var Fe=({isSecret:e,item:t,fields:n=[],options:s=[]})=>!!(e||t&&Fe(t)||n.some(Fe)||s.some(Fe));function Be(e){return typeof e=="number"?Number.isInteger(e)&&!Number.isSafeInteger(e):typeof e=="object"&&e!==null&&Object.values(e).some(Be)}function _e(e){try{let t=JSON.parse(e);return typeof t=="object"&&!Array.isArray(t)?t:null}catch{return null}}function Ts(e,t,n){let{[t]:s,...r}=e;return n===void 0?r:{...e,[t]:n}}function Rs(e,t){let n=`/parameters${t}`;return e.filter(s=>s.path===n).map(({message:s})=>s)}var Zt=matchMedia("(min-width: 1100px)"),Ls=ie(Zt.matches);Zt.addEventListener("change",()=>Ls.value=Zt.matches);var Te=ie(new Map),bt={order:"",key:""};function wt({job:e,origin:t,onLaunched:n=()=>{}}){let s=c.jobs,r=`${e.slug} ${t?.id??""}`,a=b({message:"",issues:[]}),i=()=>Te.value.get(r)??pa(e,t),{draft:l,options:$}=i(),u=fa(t?.parameters??{}),d=f=>Te.value=new Map(Te.value).set(r,{...i(),...f}),p=()=>Te.value=new Map([...Te.value].filter(([f])=>f!==r)),m=()=>{p(),a.value={message:"",issues:[]}};return o`<form class="stack launch" onSubmit=${async f=>{f.preventDefault();let x=yt(l,e);if(a.value={message:x?"":s.badJson,issues:[]},!!x)try{let{path:h,body:w}=va(e,{...qs($),parameters:x},t),j=`${h} ${JSON.stringify(w)}`;bt.order!==j&&(bt={order:j,key:oe()});let{data:X}=await N(h,w,{"Idempotency-Key":bt.key});bt={order:"",key:""},p(),U(s.launched(X.id)),n(),B({view:"run",id:X.id})}catch(h){let{message:w,issues:j=[]}=K(h);a.value={message:h instanceof SyntaxError?s.badContext:w,issues:j},en(f.target)}}} noValidate>
		${t&&o`<p class="quiet">${s.rerunOf} <${D} id=${t.id} /></p>`}
		${u.length>0&&o`<p class="note">${s.erased} ${u.map(f=>o`<code key=${f}>${f}</code> `)}</p>`}
		<${tn} job=${e} draft=${l} onChange=${f=>d({draft:f})}
			issues=${a.value.issues} isWrong=${a.value.message!==""} showsBoth=${Ls.value} />
		<${ba} options=${$} onChange=${f=>d({options:f})}
			issues=${a.value.issues} />
		${a.value.message&&o`<p class="problem" role="alert">${a.value.message}</p>`}
		<div class="actions">
			<button class="main">${s.launch}</button>
			${Te.value.has(r)&&o`<button type="button" onClick=${m}>${s.discard}</button>`}
		</div>
	</form>`}var pa=(e,t)=>({draft:{typed:t&&Ps(t.parameters),raw:null},options:t?Hs(t,e):{}}),Ds="[erased]",fa=e=>Object.keys(e).filter(t=>e[t]===Ds),Ps=e=>Object.fromEntries(Object.entries(e).filter(([,t])=>t!==Ds)),en=e=>requestAnimationFrame(()=>e.querySelector("[aria-invalid]")?.focus());function yt({typed:e,raw:t},n){return t!==null?_e(t):e??{...vt(Kt(n?.parametersSchema)),...ma(n?.defaultParameters)}}function tn({job:e,draft:t,onChange:n,issues:s,isWrong:r,showsBoth:a=!1}){let i=c.jobs,l=z(()=>Kt(e.parametersSchema),[e.parametersSchema]),$=l.kind==="union"||l.kind==="object"&&l.fields?.length,u=yt(t,e),d=u===null,p=a&&$&&!Fe(l),m=t.raw!==null||!$,v=t.raw??JSON.stringify(u,null,2),f=({target:W})=>n({typed:_e(W.value)??u??t.typed,raw:W.value}),x=W=>n({typed:W,raw:null}),h=({target:W})=>{W.checked?n({...t,raw:v}):d||x(u)},w=d||r&&!p,j=o`<textarea rows="10" aria-label=${c.run.parameters} aria-invalid=${w?"true":void 0}
		value=${v} onInput=${f}></textarea>`,X=o`<fieldset class="plain-group" disabled=${d}>
		<${l.kind==="union"?Ws:Bs} field=${l} value=${u??t.typed} path="" common=${{id:"field"}}
			issues=${s} onChange=${x} />
	</fieldset>`;return o`
		${p?o`<div class="beside">
				${X}
				<div class="as-json"><span class="quiet">${i.raw}</span>${j}${d&&!r&&o`<p class="problem">${i.badJson}</p>`}</div>
			</div>`:o`
				${$&&o`
					<label class="check"><input type="checkbox" checked=${m} disabled=${d} onChange=${h} />${i.raw}</label>
				`}
				${m?j:X}
			`}
		${Be(u)&&o`<p class="note" role="status">${i.rounded}</p>`}
	`}function ma(e){return Object.fromEntries(Object.entries(e??{}).filter(([,t])=>t!==null))}var gt=["delayMs","timeoutMs","maxAttempts","priority","startDeadlineMs"];function Hs(e,t){let{retryOf:n,rerunOf:s,...r}=e.context??{},a=(i,l)=>i==null||i===l?"":String(i);return{delayMs:a(e.delayMs,0),timeoutMs:a(e.timeoutMs,t.timeoutMs),maxAttempts:a(e.maxAttempts,t.retryPolicy?.maxAttempts??1),priority:a(e.priority,t.priority??0),startDeadlineMs:a(e.startDeadlineMs,t.startDeadlineMs),context:Object.keys(r).length>0?JSON.stringify(r,null,2):""}}function qs(e){let t=gt.filter(s=>(e[s]??"")!=="").map(s=>[s,Number(e[s])]),n=e.context?_e(e.context):{};if(n===null)throw new SyntaxError("the context is no JSON object");return{...Object.fromEntries(t),...Object.keys(n).length>0&&{context:n}}}var ha=Object.fromEntries([...gt,"context"].map(e=>[e,null]));function va(e,t,n){if(n?.completedAt)return{path:`/job-runs/${n.id}/retry`,body:{...ha,...t}};let s=n&&{context:{...t.context,rerunOf:n.id}};return{path:`/jobs/${e.slug}/run`,body:{...t,...s}}}var Fs=(e,t)=>({slug:e.slug,body:{parameters:Ps(t.parameters),...qs(Hs(t,e))}});function ba({options:e,onChange:t,issues:n}){let s=c.jobs.options,r=$=>n.filter(({path:u})=>u===`/${$}`).map(({message:u})=>u),a=$=>({target:u})=>t({...e,[$]:u.value}),i=b(Object.values(e).some(Boolean)),l=({target:$})=>i.value=$.open;return o`<details open=${i.value||[...gt,"context"].some($=>r($).length>0)} onToggle=${l}>
		<summary>${s.title}</summary>
		<div class="options">
			${gt.map($=>o`<label key=${$}>
				${s[$]}
				<input type="number" value=${e[$]??""} onInput=${a($)}
					aria-invalid=${r($).length>0?"true":void 0} />
				${r($).map(u=>o`<span class="problem" key=${u}>${u}</span>`)}
			</label>`)}
			<label>${s.context}<textarea rows="2" value=${e.context??""} onInput=${a("context")}></textarea></label>
		</div>
	</details>`}function Bs({field:e,value:t,path:n,issues:s,onChange:r}){let a=i=>l=>r(Ts(t??{},i,l));return o`
		${(e.fields??[]).map(i=>o`<${Qt} key=${i.name} field=${i} value=${t?.[i.name]}
			path=${`${n}/${Cs(i.name)}`} issues=${s} onChange=${a(i.name)} />`)}
		${_s(e,t).map(i=>o`<${Qt} key=${i} field=${ga(i)} value=${t[i]}
			path=${`${n}/${Cs(i)}`} issues=${s} onChange=${a(i)} />`)}
	`}var Cs=e=>e.replaceAll("~","~0").replaceAll("/","~1"),ga=e=>({name:e,title:e,hint:c.jobs.unlisted,kind:"json",isRequired:!1,isNullable:!0});function Qt({field:e,value:t,path:n,issues:s,onChange:r}){let a=Rs(s,n),i=`field${n}`,l=[e.hint&&`${i}-hint`,a.length>0&&`${i}-wrong`].filter(Boolean).join(" ")||void 0,$={id:i,"aria-describedby":l,"aria-invalid":a.length>0?"true":void 0,"aria-required":e.isRequired},u=M({value:t,kind:Ee(e,t)?e.kind:"json"});u.current.value!==t&&(u.current={value:t,kind:Ee(e,t)?e.kind:"json"});let{kind:d}=u.current,p=x=>{u.current={value:x,kind:d},r(x)},m=["object","array","union"].includes(d),v=o`<${Js[d]}
		field=${e} value=${t} path=${n} issues=${s} common=${$} onChange=${p} />`,f=o`<bdi>${e.title}</bdi> ${e.isRequired&&o`<small>${c.jobs.required}</small>`}`;return o`<div class="field">
		${m?o`<fieldset aria-describedby=${l}><legend>${f}</legend>${v}</fieldset>`:o`<label for=${i}>${f}</label>${v}`}
		${e.hint&&o`<small id=${`${i}-hint`}>${e.hint}</small>`}
		${a.length>0&&o`<p class="problem" id=${`${i}-wrong`}>${a.join("; ")}</p>`}
	</div>`}var Js={string:ya,integer:Ns,number:Ns,boolean:ka,choice:Us,object:Bs,array:xa,union:Ws,json:Oa},wa={date:"date",email:"email",uri:"url"};function ya({field:e,value:t,common:n,onChange:s}){let r=({target:i})=>s(i.value===""?zt(e):i.value);if(e.isSecret)return o`<input ...${n} type="password" autocomplete="new-password" value=${t??""} onInput=${r} />`;if(e.isLong||/[\r\n]/.test(t??""))return o`<textarea ...${n} class="growing" rows="1" value=${t??""} onInput=${r}></textarea>`;if(e.format==="date-time")return o`<${nn} value=${t} common=${n} set=${r} onChange=${s} />`;let a=e.format!=="date"||/^(\d{4}-\d\d-\d\d)?$/.test(t??"");return o`<input
		...${n} type=${a?wa[e.format??""]??"text":"text"} value=${t??""} onInput=${r} />`}function nn({value:e,common:t,set:n,onChange:s}){let r=({target:a})=>a.value&&s(new Date(a.value).toISOString());return o`<div class="group">
		<input ...${t} value=${e??""} placeholder="2026-12-24T18:00:00Z" onInput=${n} />
		<input type="datetime-local" step="1" aria-label=${c.jobs.pick} title=${c.jobs.pick} onChange=${r} />
	</div>`}function Ns({field:e,value:t,common:n,onChange:s}){let r=({target:a})=>s(a.value===""?zt(e):a.valueAsNumber);return o`<input
		...${n} type="number" step=${e.kind==="integer"?1:"any"} value=${t??""} onInput=${r} />`}function ka(e){let{field:t,value:n,common:s,onChange:r}=e;return n==null?o`<${Us} ...${e} field=${{...t,choices:[!0,!1]}} />`:o`<input ...${s} type="checkbox" checked=${n} onChange=${({target:i})=>r(i.checked)} />`}function Us({field:{choices:e=[],isRequired:t},value:n,common:s,onChange:r}){let a=e.findIndex(l=>JSON.stringify(l)===JSON.stringify(n));return o`<select ...${s} value=${a} onChange=${({target:l})=>r(l.value==="-1"?void 0:e[Number(l.value)])}>
		${(a<0||!t)&&o`<option value="-1">–</option>`}
		${e.map((l,$)=>o`
			<option key=${$} value=${$}>${typeof l=="string"?l:JSON.stringify(l)}</option>
		`)}
	</select>`}function xa({field:e,value:t,path:n,issues:s,onChange:r}){let a=e.item,i=t??[],l=($,u)=>r(i.map((d,p)=>p===$?u:d));return o`${i.map(($,u)=>o`<div class="array-item" key=${u}>
			<${Qt}
				field=${{...a,title:`${u+1}`}} value=${$} path=${`${n}/${u}`}
				issues=${s} onChange=${d=>l(u,d)} />
			<button type="button" class="plain" onClick=${()=>r(i.filter((d,p)=>p!==u))}>
				${c.jobs.remove}
			</button>
		</div>`)}
		<button type="button" onClick=${()=>r([...i,ht(a)])}>${c.jobs.item}</button>`}function Ws({field:e,value:t,path:n,issues:s,common:r,onChange:a}){let{options:i=[]}=e,l=M(-1);l.current=Es(e,t,l.current);let $=l.current,u=i[$],d=M(new Map),p=({target:m})=>{d.current.set($,t),l.current=Number(m.value);let v=d.current.get(l.current);a(l.current<0?void 0:v??ht(i[l.current]))};return o`
		<select aria-label=${`${e.title} ${c.jobs.kind}`.trim()} value=${$} onChange=${p}>
			${($<0||!e.isRequired)&&o`<option value="-1">–</option>`}
			${i.map(({title:m},v)=>o`<option key=${v} value=${v}>${m}</option>`)}
		</select>
		${u&&o`<${Js[Ee(u,t)?u.kind:"json"]} key=${$}
			field=${u} value=${t} path=${n} issues=${s} common=${r} onChange=${a} />`}
	`}function Oa({value:e,common:t,onChange:n}){let s=Is(e),r=M({json:s,text:s});r.current.json!==s&&(r.current={json:s,text:s});let{text:a}=r.current;return o`<textarea ...${t} rows="3" value=${a} onInput=${({target:l})=>{let $=Sa(l.value);r.current={json:Is($),text:l.value},n($)}}></textarea>
		${e===a&&a!==""&&o`<small>${c.jobs.asText}</small>`}`}var Is=e=>JSON.stringify(e,null,2)??"";function Sa(e){try{return JSON.parse(e)}catch{return e===""?void 0:e}}var Aa=50,Vs={runs:Xs,launch:Ta,definition:Ra,versions:Da,revise:qa};function ja(){let{id:e}=T.value,t=g(async r=>(await y(`/jobs/${Y(e)}`,[["limit",Aa],...C.value],r)).data,[e]),{job:n,runs:s=[]}=t.answer??{};return L("jobs",t.again,r=>n!==void 0&&r.has(n.slug)),L("deletedJobs",t.again,r=>n!==void 0&&r.has(n.slug)),L("runs",t.again,r=>[...r.values()].some(({slug:a,createdAt:i,id:l})=>a===n?.slug&&i>=(s[0]?.createdAt??"")&&s.every($=>$.id!==l))),o`<${S} asked=${t} lines=${8} list="jobs">
		${r=>o`<${Ma} job=${r.job} runs=${r.runs} again=${t.again} />`}
	<//>`}function Ma({job:e,runs:t,again:n}){let{tab:s}=T.value,r=Vs[s]??Xs,{launch:a,revise:i,...l}=c.jobs.tabs;return o`<div class="screen-head">
			<div>
				<h1>${e.name}</h1>
				<p class="quiet">
					<span class="id">${e.slug}</span> · ${c.jobs.columns.version.toLowerCase()} ${e.version}
				</p>
			</div>
			${_.value&&o`<div class="actions">
				<${et} paused=${e.paused} name=${e.slug} path=${`/jobs/${e.slug}`} text=${c.jobs.pauseText} again=${n} />
				${s!=="launch"&&o`<button class="main" onClick=${()=>B({view:"job",id:e.slug,tab:"launch"})}>
					${c.jobs.launch}
				</button>`}
			</div>`}
		</div>
		${e.metadata?.description&&o`<p>${e.metadata.description}</p>`}
		${e.paused&&o`
			<p class="note">
				<${E} status="paused" /> <${A} at=${e.paused.at} /> · <bdi>${e.paused.by}</bdi>
				${e.paused.reason&&o` · <bdi>${e.paused.reason}</bdi>`}
			</p>
		`}
		<${_a} job=${e} />
		<${Fa} job=${e} />
		<${Qe} tabs=${_.value?c.jobs.tabs:l} current=${Vs[s]?s:"runs"} />
		<${r} job=${e} runs=${t} again=${n} />`}var Ea=1e4;function _a({job:e}){return g(async s=>R.value?[]:(await y("/workers/unoffered",[],s)).data,[e.slug],{everyMs:Ea}).answer?.some(({slug:s})=>s===e.slug)&&o`<p class="note">${c.overview.unoffered(e.slug)} · ${c.overview.startOne(e.entryPoint)}</p>`}function Xs({job:e,runs:t}){let n=ne(t,"runs",({id:s})=>s);return o`<${Zn} job=${e.slug} />
		<section class="card stack">
			<h2>${c.jobs.durations}</h2>
			<${Na} runs=${n} />
		</section>
		<div class="screen-head">
			<h2>${c.jobs.runs}</h2>
			<div class="actions"><${O} to=${{view:"runs",words:[["job",e.slug]]}}>${c.runs.title}<//></div>
		</div>
		<${ue} runs=${n} isOfOneJob />`}function Ta({job:e}){return _.value?o`<section class="card"><${wt} job=${e} key=${e.slug} /></section>`:o`<${ke} />`}function Ra({job:e}){let t=pt(e);return o`<dl class="facts card">
			<div><dt>${c.jobs.entryPoint}</dt><dd><code>${e.entryPoint}</code></dd></div>
			<div><dt>${c.jobs.limits}</dt><dd>${t.join(", ")||c.none}</dd></div>
			<div><dt>${c.run.facts.timeout}</dt><dd>${I(e.timeoutMs)}</dd></div>
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
		</div>`}var sn=1e3,rn=100,Ca=2;function Na({runs:e}){let t=Kn(e);if(t.length<Ca)return o`<p class="quiet">${c.jobs.needMore}</p>`;let[n,s,r]=[.5,.95,.99].map(a=>I(Yn(t,a)));return o`<p>${c.jobs.percentiles(n,s,r)}</p>
		<${Ia} ...${zn(e)} />`}function Ia({points:e,first:t,last:n,longest:s}){return o`<figure class="plot" aria-hidden="true">
		<div class="plot-scale"><span>${I(s)}</span><span>${I(s/2)}</span><span>0</span></div>
		<svg viewBox="0 0 ${sn} ${rn}" preserveAspectRatio="none">
			${[0,.5,1].map(r=>o`
				<path class="rule" key=${r} d=${`M0 ${r*rn}H${sn}`} vector-effect="non-scaling-stroke" />
			`)}
			${e.map(({run:r,x:a,y:i})=>o`<path key=${r.id} class="point status-${r.status}"
				d=${`M${a*sn} ${(1-i)*rn}h0.01`}>
				<title>${I(r.durationMs)} · ${c.status(r.status)} · ${se(r.completedAt??"")}</title>
			</path>`)}
		</svg>
		<figcaption><span>${se(t)}</span><span>${se(n)}</span></figcaption>
	</figure>`}var La=1e3;function Da({job:e}){let t=[["subject",e.id]],n=g(async s=>js((await re("/events",t,s,La)).filter(Le)),[e.id],{newer:[e.version,e.paused?.at]});return o`<${S} asked=${n}>
		${s=>o`<ol class="events">
			${s.map(r=>o`<${Pa} key=${r.position} change=${r} />`)}
		</ol>`}
	<//>`}function Pa({change:e}){let{kind:t,version:n,at:s,by:r,reason:a,changes:i}=e;return o`<li class="card">
		<header>
			<h2>${t} ${n&&c.jobs.versionOf(n)}</h2>
			<span class="quiet"><${A} at=${s} full /> · <bdi>${r}</bdi></span>
		</header>
		${a&&o`<p>${a}</p>`}
		${i.length>0&&o`<${Ze} found=${i} />`}
	</li>`}var Re=ie(new Map);function Ha(e){let t=Ss(e);return{version:e.version,before:t,text:JSON.stringify(t,null,2)}}function qa({job:e,again:t}){let n=Re.value.get(e.slug)??Ha(e),s=({target:d})=>Re.value=new Map(Re.value).set(e.slug,{...n,text:d.value}),r=()=>Re.value=new Map([...Re.value].filter(([d])=>d!==e.slug)),a=b({message:"",issues:[]}),i=c.jobs;if(!_.value)return o`<${ke} />`;let l=async d=>{d.preventDefault();try{let p=As(n.before,JSON.parse(n.text));if(Object.keys(p).length===0){a.value={message:i.unchanged,issues:[]};return}let{data:m}=await le("PATCH",`/jobs/${e.slug}`,{...p,version:n.version+1});r(),U(i.revised(m.version)),t(),B({view:"job",id:e.slug,tab:"versions"})}catch(p){let{message:m,issues:v=[]}=K(p);a.value={message:p instanceof SyntaxError?i.badJson:m,issues:v}}},{message:$,issues:u}=a.value;return o`<form class="card stack" onSubmit=${l}>
		<p class="quiet">${i.revisionHint}</p>
		${n.version!==e.version&&o`<p class="note" role="status">${i.newer(e.version)}</p>`}
		<textarea rows="22" aria-label=${i.definition}
			aria-invalid=${$?"true":void 0} aria-describedby=${$?"revision-problem":void 0}
			value=${n.text} onInput=${s}></textarea>
		${Be(_e(n.text))&&o`<p class="note" role="status">${i.rounded}</p>`}
		${$&&o`<div id="revision-problem" class="problem" role="alert">
			<p>${$}</p>
			${u.length>1&&o`<ul>${u.map(({path:d,message:p})=>o`<li key=${d+p}><code>${d}</code> ${p}</li>`)}</ul>`}
		</div>`}
		<div class="actions">
			<button class="main">${i.revise}</button>
			${Re.value.has(e.slug)&&o`<button type="button" onClick=${r}>${i.discard}</button>`}
		</div>
	</form>`}function Fa({job:e}){let{slug:t}=e,s=g(r=>y("/job-runs/counts",[["job",t],...C.value],r),[t]);return L("runs",s.again,r=>[...r.values()].some(a=>a.slug===t)),o`<${S} asked=${s} lines=${1}>${({data:r})=>o`<${Ba} counts=${r} job=${e} />`}<//>`}function Ba({counts:e,job:t}){let{slug:n,maxConcurrentRuns:s}=t,r=s&&c.jobs.used(e.running,s),a=i=>[["job",n],["status",i]];return o`<ul class="standing">
		${nt.map(i=>o`<li key=${i}>
			<${O} to=${{view:"runs",words:a(i)}}><${E} status=${i} /><//> ${Se(e[i])}
		</li>`)}
		${s&&o`<li>
			<meter min="0" max=${s} value=${e.running} aria-label=${r}></meter> <small>${r}</small>
		</li>`}
	</ul>`}function Ja(){let e=g(Ua,[]);L("jobs",e.again),L("deletedJobs",e.again),L("failures",e.again);let t=Va();return o`<div class="screen-head"><h1>${c.jobs.title}</h1></div>
		<${S} asked=${e}>${n=>o`<${Ga} ...${n} trends=${t} />`}<//>`}async function Ua(e){let[t,n]=await Promise.all([y("/jobs",C.value,e),re("/failures",[["status","open"],...C.value],e)]),s=new Map;for(let{job:r}of n)s.set(r,(s.get(r)??0)+1);return{jobs:t.data,failing:s}}var Wa=1e4;function Va(){return g(Xa,[Mn.value,Ke.value],{everyMs:Wa}).answer??new Map}async function Xa(e){let{from:t,to:n,bucketMs:s}=Vn("24h",De.value),r=[["from",t],["to",n],["bucketMs",s],["groupBy","job"],...C.value],{data:a,meta:i}=await y("/job-runs/statistics",r,e);return new Map(es(a.buckets,i).map(l=>[l.slug,l]))}function Ga({jobs:e,failing:t,trends:n}){let s=({slug:i})=>n.get(i.toLowerCase()),r=c.jobs.columns;if(e.length===0)return o`<${P} title=${c.jobs.empty} hint=${c.jobs.emptyHint} command=${c.jobs.emptyCommand} />`;let a=[{name:"first",title:r.job,cell:i=>o`<${ee} slug=${i.slug}><strong>${i.name}</strong><//>${" "}
					<small class="id">${i.slug}</small>`},{name:"state",title:r.health,cell:i=>o`<${za} job=${i} failing=${t.get(i.slug)??0} />`},{name:"day",title:r.day,cell:i=>o`<${Ya} trend=${s(i)} />`},{name:"took",title:r.took,cell:i=>Ka(s(i))},{name:"version",title:r.version,cell:({version:i})=>i},{name:"limits",title:r.limits,cell:i=>o`<small>${pt(i).join(", ")||"\u2013"}</small>`},{name:"updated",title:r.updated,cell:({updatedAt:i})=>o`<${A} at=${i} />`}];return o`<${te} label=${c.jobs.title} rows=${e} keyOf=${({slug:i})=>i} columns=${a} />`}var Gs=6e4,Ka=e=>e&&e.ended>0?Qn(e.buckets,"durationMs").join(" / "):"\u2013";function Ya({trend:e}){if(!e||e.ended===0)return o`<span class="quiet">–</span>`;let{buckets:t,ended:n,failed:s,worse:r}=e,a=t.findLast(l=>l.ended>0),i=a&&I(Math.ceil((De.value-Date.parse(a.at))/Gs)*Gs);return o`<span class="day"><${ot} buckets=${t} />
		<small>${c.trends.day(n,s)}<br />${i&&c.trends.lastWithin(i)}</small></span>
		${r&&o`<strong class="worse">${c.trends.worse[r.what](r.factor,se(r.since))}</strong>`}`}function za({job:e,failing:t}){return e.paused?o`<${E} status="paused" />`:t===0?o`<${E} status="ready" label=${c.schedules.active} />`:o`<${O} to=${{view:"failures",words:[["job",e.slug]]}}>
		<${E} status="failed" label=${c.jobs.failing(t)}
	/><//>`}var Ks=(e,t)=>e===""&&t.after===void 0;function Ys({next:e,last:t},n){return e!==null&&n-t>500?n-30:t}function zs(e,t,n,s){let r=t.next===null?Math.max(t.last,s):t.last,a=n>Math.max(e.last,e.next??0)?[]:e.events;return{next:t.next,last:r,events:[...a,...t.events].slice(-500)}}var Qa=50,ei=1e3;function ti(){let{words:e}=T.value,t=Object.fromEntries(e),n=b(!0),s=Ks(R.value,t),r=s&&n.value,a=t.after??(s?Math.max(Pt.peek()-30,0):0),i=g(l=>Zs({...t,after:a},l),[JSON.stringify(e),Pt.value>0]);return o`<div class="screen-head">
			<h1>${c.log.title}</h1>
			<div class="actions">
				<label class="check">
					<input type="checkbox" checked=${r} disabled=${!s}
						onChange=${({target:l})=>n.value=l.checked} />${c.log.live}</label>
			</div>
		</div>
		<${ai} given=${t} key=${JSON.stringify(e)} />
		<${S} asked=${i}>
			${l=>o`<${si} page=${l} given=${t} asked=${i} isFollowing=${r} />`}
		<//>
		<section class="card stack">
			<${ni} />
			<p class="quiet">${c.log.verify}</p>
			<${Rn} text=${c.log.verifyCommand} />
		</section>`}function ni(){let{answer:e}=g(t=>y("/events/seal",[],t),[],{everyMs:5e3});return e&&o`<p>${c.log.sealed(e.data)}</p>`}async function Zs(e,t){let n=On(R.value),s=R.value&&n!==null?[["until",new Date(n).toISOString()]]:[],{data:r,meta:a}=await y("/events",[...Object.entries(e),["limit",Qa],...s],t),l=R.value!==""&&n===null?r.filter(({position:u})=>u<=Number(R.value)):r,$=l.length<r.length;return{events:l,next:$?null:a.next,last:r.at(-1)?.position??Number(e.after)}}function si({page:e,given:t,asked:n,isFollowing:s}){let r=async u=>{let d=pe.value.position,p=await Zs({...t,after:u});n.set(e,zs(e,p,u,d))},{position:a}=pe.value,i=M(0),l=b(0);if(F(()=>{if(!s||a<=e.last||i.current===null)return;let d=setTimeout(()=>{i.current=null,r(Ys(e,a)).catch(()=>{}).finally(()=>{i.current=Date.now(),l.value+=1})},i.current+ei-Date.now());return()=>clearTimeout(d)},[s,a,e,l.value]),e.events.length===0)return o`<${P} title=${c.log.empty} hint=${c.log.emptyHint} />`;let $=s?[...e.events].reverse():e.events;return o`<ol class="log-events">
			${$.map(u=>o`<${ri} key=${u.position} event=${u} />`)}
		</ol>
		${e.next!==null&&!s&&o`
			<${_n} text=${c.log.newer} load=${()=>r(e.next??e.last)} />
		`}`}function ri({event:e}){let{position:t,type:n,subject:s,occurredAt:r,actor:a,correlationId:i}=e,l=b(!1);return o`<li>
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
	</li>`}var on=["type","subject","actor","after"],oi={type:"job_run.started",subject:"",actor:"worker:\u2026",after:"0"};function ai({given:e}){return o`<form class="group log-filter" role="search" onSubmit=${n=>{n.preventDefault();let s=new FormData(n.target),a=on.map(i=>[i,String(s.get(i)).trim()]).filter(([,i])=>i!=="");J({words:e.correlation?[...a,["correlation",e.correlation]]:a})}}>
		${on.map(n=>o`<label key=${n}>
			${c.log[n]}
			<input name=${n} defaultValue=${e[n]??""} placeholder=${oi[n]}
				data-filter=${n===on[0]} />
		</label>`)}
		<button>${c.log.apply}</button>
		${e.correlation&&o`<span class="tag">correlation ${e.correlation}</span>`}
	</form>`}var Je=e=>`'${e.replaceAll("'","'\\''")}'`;function an(e){let{origin:t,pathname:n}=new URL(".",e);return t+n.slice(0,-1)}function Qs({slug:e,body:t},n,s){return[`curl -X POST ${Je(`${an(n)}/jobs/${e}/run`)}`,"-H 'Content-Type: application/json'",...s?['-H "Authorization: Bearer $APPHUB_TOKEN"']:[],`-d ${Je(JSON.stringify(t,null,2))}`].join(` \\
  `)}var ii={delayMs:["--delay","delay"],timeoutMs:["--timeout","timeout"],maxAttempts:["--max-attempts","max_attempts"],priority:["--priority","priority"],startDeadlineMs:["--start-deadline","start_deadline"],context:["--context","context"]},er=({body:e},t)=>Object.entries(ii).filter(([n])=>e[n]!==void 0).map(([n,s])=>[s[t],n.endsWith("Ms")?`${e[n]}ms`:e[n]]);function tr(e,t){let n=er(e,0).map(([r,a])=>`${r} ${typeof a=="object"?Je(JSON.stringify(a)):a}`),s=["apphub-jobs run",e.slug,"--url",Je(an(t)),...n,"--params -"].join(" ");return`printf %s ${Je(JSON.stringify(e.body.parameters))} |
  ${s}`}function nr(e,t){let n=er(e,1).map(([s,r])=>`${s}=${kt(r)}`).join(", ");return["from apphub_jobs import Client","",`with Client("${an(t)}") as client:`,`    run = client${n&&`.options(${n})`}.launch("${e.slug}", ${kt(e.body.parameters)})`,"    print(run.result())"].join(`
`)}function kt(e){return e===null?"None":e===!0?"True":e===!1?"False":Array.isArray(e)?`[${e.map(kt).join(", ")}]`:typeof e=="object"&&e?`{${Object.entries(e).map(([t,n])=>`${JSON.stringify(t)}: ${kt(n)}`).join(", ")}}`:JSON.stringify(e)}function sr(e){let t=new Map,n=new Map,s=[];for(let{eventId:r,type:a,subject:i,occurredAt:l,causationId:$,data:u}of e){let d=li(a),p=t.get(i.id);if(p)p.last=d;else{let m=n.get($),v=m?.type??"";p={...i,app:u?.repository_id,at:l,last:d,cause:v,children:[]},t.set(i.id,p),(m?.subject.children??s).push(p)}n.set(r,{subject:p,type:d})}return s}var li=e=>e.slice(e.lastIndexOf(".")+1).replaceAll("_"," ");var ci=/(^<|[\\/](site-packages|dist-packages|python3[^\\/]*|apphub_jobs)[\\/])/,ui=/^ {2}File "(?<file>[^"]+)", line (?<line>\d+), in (?<name>.+)$/;function rr(e){let t=e.split(`
`);return t.flatMap((s,r)=>{let a=ui.exec(s)?.groups;if(!a||ci.test(a.file))return[];let i=t[r+1]??"",l=i.startsWith("    ")?i.trim():"";return[{file:a.file,line:Number(a.line),name:a.name,code:l}]}).reverse()}var or=e=>e.split(/[\\/]/).slice(-2).join("/");var ar=["failed","expired"],$i=50,di=5e3;function ir({run:e,related:t,worker:n}){let s=e.context?.stack;return o`<section class="card stack failure" aria-label=${c.run.failed.title}>
		<h2>${c.run.failed.title} <code class="quiet">${e.failureReason}</code></h2>
		${e.errorMessage&&o`<p class="error-message" tabindex="0"><code>${e.errorMessage}</code></p>`}
		<div class="cards">
			${typeof s=="string"&&o`<${pi} stack=${s} />`}
			<${vi} run=${e} related=${t} worker=${n} />
		</div>
		<${fi} run=${e} />
		<div>
			<h3>${c.run.parameters}</h3>
			<${Q} value=${e.parameters} label=${c.run.parameters} />
		</div>
	</section>`}function pi({stack:e}){let t=c.run.failed,n=rr(e);return o`<div class="stack">
		${n.length>0&&o`<h3>${t.own}</h3>
			<ol class="frames">
				${n.map(({file:s,line:r,name:a,code:i},l)=>o`<li key=${l}>
					<span title=${s}>${or(s)}:${r}</span> <span class="quiet">${t.inside(a)}</span>
					${i&&o`<pre><code>${i}</code></pre>`}
				</li>`)}
			</ol>
		`}
		<details open=${n.length===0}>
			<summary>${t.traceback}</summary>
			<pre class="json" tabindex="0"><code>${e}</code></pre>
		</details>
	</div>`}function fi({run:e}){let t=c.run.failed,n=g(s=>hi(e,s),[e.id,e.attempt]);return o`<div>
		<h3>${t.lastLines} · <${O} to=${{view:"run",id:e.id,tab:"log"}}>${t.wholeLog}<//></h3>
		<${S} asked=${n} lines=${3}>
			${s=>s?o`<${mi} lines=${s} />`:o`<p class="quiet">${c.run.log.empty}</p>`}
		<//>
	</div>`}function mi({lines:e}){let t=M(null);return F(()=>{t.current?.scrollTo(0,t.current.scrollHeight)},[e]),o`<pre class="json" tabindex="0" ref=${t}><code><${vs} text=${e} /></code></pre>`}async function hi({id:e,attempt:t},n){if(t===0)return"";let s=[],r=[["attempt",t],["last",$i]];for await(let{piece:a}of we(`/job-runs/${e}/logs`,r,n))s.push(a);return s.join("").trimEnd()}var ln=({worker:e})=>o`<${O} to=${{view:"runs",words:[["worker",e]]}}><code>${e}</code><//>`;function vi({run:e,related:t,worker:n}){let s=c.run.failed;return o`<div class="stack">
		${n&&o`<p>${c.run.worker}: <${ln} worker=${n} /></p>`}
		${R.value?o`<p class="note">${c.past.notHere}</p>`:o`<${bi} run=${e} related=${t} />`}
		<p>
			<${O} to=${{view:"runs",words:[["job",e.slug],["status","failed,expired"]]}}>${s.others(e.slug)}<//>
		</p>
	</div>`}function bi({run:e,related:t}){let n=c.run.failed;return o`<${S} asked=${t} lines=${2}>${({failureGroup:r,retries:a})=>o`
		${r&&o`<p>
			${n.group}: <${O} to=${{view:"failures",id:r.fingerprint}}>${r.title}<//>,${" "}
			<strong>${c.failures.times(r.count+r.recovered)}</strong>
			${r.recovered>0&&`, ${c.failures.recovered(r.recovered)}`}
		</p>`}
		<p>${a.length>0?n.retried:n.notRetried}</p>
		<${cn} runs=${a} origin=${e} />
	`}<//>`}var cn=({runs:e,origin:t})=>e.length>0&&o`<ul class="needs">
		${e.map(({id:n,status:s,createdAt:r,parameters:a})=>o`<li key=${n}>
			<${D} id=${n} /> <${E} status=${s} /> <small><${A} at=${r} /></small>
			${JSON.stringify(a)!==JSON.stringify(t.parameters)&&o`
				<${O} to=${un(n,t.id)}>${c.run.failed.otherParameters}<//>
			`}
		</li>`)}
	</ul>`,un=(e,t)=>({view:"run",id:e,tab:"data",compare:t}),gi={failureGroup:null,retries:[],bulkOperation:null};function lr(e,t){let n=e.completedAt!==null,s=R.value===""&&(n||e.context?.retryOf!==void 0);return g(async r=>s?(await y(`/job-runs/${e.id}/related`,[],r)).data:gi,[e.id,s],{newer:[t],everyMs:n?di:void 0})}var xt={"job_run.succeeded":"succeeded","job_run.attempt_failed":"failed","job_run.attempt_timed_out":"timed_out","job_run.attempt_lost":"lost","job_run.handed_back":"handed_back","job_run.canceled":"canceled","job_run.start_deadline_passed":"expired"},cr=["job_run.started",...Object.keys(xt)];function ur(e,t){let n=[],s=null,r=(a,i)=>{s&&(n.push({...s,number:n.length,to:a,outcome:i,isOpen:!1}),s=null)};for(let{type:a,data:i,occurredAt:l}of e){let $=Date.parse(l);a==="job_run.requested"?s={kind:"wait",from:$}:a==="job_run.started"?(r($),s={kind:"run",from:$,attempt:i.attempt,worker:i.worker_id}):xt[a]&&(r($,xt[a]),i.retry_at?s={kind:"backoff",from:$}:a==="job_run.handed_back"&&(s={kind:"wait",from:$}))}return s&&n.push({...s,number:n.length,to:Math.max(t,s.from),isOpen:!0}),n}var wi=.6,yi=.02;function $r(e){let t=({from:u,to:d})=>Math.max(d-u,1),n=e.filter(({kind:u})=>u==="run").reduce((u,d)=>u+t(d),0),s=n>0?n*wi:1/0,r=e.map(u=>{let d=u.kind!=="run"&&t(u)>s;return{...u,isCollapsed:d,drawn:d?s:t(u)}}),a=r.reduce((u,d)=>u+d.drawn,0),i=r.map(u=>Math.max(u.drawn/a,yi)),l=i.reduce((u,d)=>u+d,0),$=0;return r.map(({drawn:u,...d},p)=>{let m=i[p]/l,v={...d,start:$,width:m};return $+=m,v})}function dr(e){let t=[];for(let{type:n,data:s}of e){let r=ki(n,s,t.at(-1));r&&r!==t.at(-1)&&t.push(r)}return t}function ki(e,t,n){return e==="job_run.requested"||e==="job_run.handed_back"?"pending":e==="job_run.started"?"running":e==="job_run.succeeded"?"succeeded":e==="job_run.canceled"?"canceled":e==="job_run.start_deadline_passed"?"expired":xt[e]?t.retry_at?"pending":e==="job_run.attempt_timed_out"?"expired":"failed":n}function fn({run:e,events:t,related:n}){let s=e.completedAt!==null,r=ur(t,s?0:De.value),a=r.filter(({kind:l})=>l==="run"),i=ar.includes(e.status);return o`
		${i&&o`<${ir} run=${e} related=${n} worker=${a.at(-1)?.worker} />`}
		<div class="story">
			<div class="stack">
				${!i&&o`<${Ri} run=${e} />`}
				<section class="card stack">
					<h2>${c.run.timeline}</h2>
					<${Oi} segments=${r} />
					<${xi} attempts=${a} isOver=${s} events=${t} known=${i?e.errorMessage:null} />
				</section>
			</div>
			<section class="card"><h2>${c.run.states}</h2><${ji} path=${dr(t)} /></section>
		</div>
	`}function xi({attempts:e,isOver:t,events:n,known:s}){let r=c.run;if(e.length===0)return o`<p class="quiet">${t?r.neverStarted:r.noAttempts}</p>`;let a=new Map;for(let{data:{error_message:l},occurredAt:$}of n)l&&l!==s&&a.set(Date.parse($),l);let i=[{name:"first",title:r.attempts,cell:({attempt:l=0})=>r.attempt(l)},{name:"status",title:c.runs.columns.status,cell:({isOpen:l,outcome:$})=>o`<${E} status=${l?"running":$} />`},{name:"took",title:c.runs.columns.took,cell:({from:l,to:$})=>I($-l)},{name:"started",title:r.facts.started,cell:({from:l})=>o`<${A} at=${new Date(l).toISOString()} />`},{name:"worker",title:r.worker,cell:({worker:l})=>o`<${ln} worker=${l} />`},{name:"why",title:c.runs.columns.details,cell:({to:l,isOpen:$})=>$?"":a.get(l)}];return o`<${te} label=${r.attempts} rows=${e} keyOf=${({number:l})=>l} columns=${i} />`}var $n=1e3,Ue=44;function Oi({segments:e}){if(e.length===0)return null;let t=$r(e),n=e[0].from,s=e[e.length-1].to;return o`<figure class="timeline">
		<svg viewBox="0 0 ${$n} ${Ue}" preserveAspectRatio="none" role="img"
			aria-label=${t.map(dn).join("; ")}>
			${t.map(r=>o`<${Si} key=${r.number} place=${r} />`)}
		</svg>
		<ul class="timeline-legend" aria-hidden="true">
			${t.map(r=>o`
				<li key=${r.number}><span class="swatch ${pr(r)}"></span>${dn(r)}</li>
			`)}
		</ul>
		<figcaption>
			${[n,s].map(r=>o`<${Ln} key=${r} at=${new Date(r).toISOString()} />`)}
		</figcaption>
	</figure>`}function Si({place:e}){let{kind:t,start:n,width:s,isCollapsed:r}=e,a=t==="run"?Ue-8:12,i=n*$n,l=Math.max(s*$n-1,2);return o`<g class="segment ${pr(e)}">
		<title>${dn(e)}</title>
		<rect x=${i} y=${(Ue-a)/2} width=${l} height=${a} />
		${r&&o`
			<path d=${`M${i+l/2-6} 4L${i+l/2-2} ${Ue-4}M${i+l/2+2} 4L${i+l/2+6} ${Ue-4}`} />
		`}
	</g>`}function pr({kind:e,outcome:t="",isOpen:n}){return e!=="run"?`segment-${e}`:`segment-run status-${n?"running":He(t)}`}function dn({kind:e,attempt:t=0,from:n,to:s,isCollapsed:r}){let a=I(s-n);if(e==="run")return`${c.run.attempt(t)} ${c.run.ran(a)}`;let i=c.run.waited(a);return r?c.run.collapsed(i):i}var Ot={pending:[62,90],running:[212,90],succeeded:[390,24],failed:[390,68],expired:[390,112],canceled:[390,156]},$e=104,pn=30,Ai=[["pending","running"],["running","pending"],["running","succeeded"],["running","failed"],["running","expired"],["running","canceled"],["pending","canceled"],["pending","expired"]];function ji({path:e}){let t=new Map;for(let n=1;n<e.length;n+=1){let s=`${e[n-1]} ${e[n]}`;t.set(s,(t.get(s)??0)+1)}return o`<svg class="diagram" viewBox="0 0 452 184" role="img" aria-label=${e.join(", ")}>
		<defs>
			${["","taken-"].map(n=>o`<marker key=${n} id=${`${n}arrow`} class=${`${n}arrow`}
				viewBox="0 0 6 6" refX="6" refY="3" markerWidth="6" markerHeight="6" orient="auto">
				<path d="M0 0L6 3L0 6z" />
			</marker>`)}
		</defs>
		${Ai.map(([n,s])=>o`
			<${Ei} key=${`${n} ${s}`} from=${n} to=${s} times=${t.get(`${n} ${s}`)??0} />
		`)}
		${Object.keys(Ot).map(n=>o`
			<${Mi} key=${n} status=${n} wasThere=${e.includes(n)} isThere=${e.at(-1)===n} />
		`)}
	</svg>`}function Mi({status:e,wasThere:t,isThere:n}){let[s,r]=Ot[e];return o`<g class="place status-${e} ${n?"is-there":t?"was-there":""}" aria-hidden="true">
		<rect x=${s-$e/2} y=${r-pn/2} width=${$e} height=${pn} rx="15" />
		<text x=${s} y=${r+4.5}>${e}</text>
	</g>`}function Ei({from:e,to:t,times:n}){let s=_i(e,t);return o`<g class="way ${n>0?"was-taken":""}" aria-hidden="true">
		<path d=${s} marker-end=${n>0?"url(#taken-arrow)":"url(#arrow)"} />
		${n>1&&o`<text x="137" y=${e==="pending"?76:114}>${n} ×</text>`}
	</g>`}function _i(e,t){let[n,s]=Ot[e],[r,a]=Ot[t];return e==="pending"&&t==="running"?`M${n+$e/2} ${s-5}H${r-$e/2}`:t==="pending"?`M${n-$e/2} ${s+5}H${r+$e/2}`:e==="pending"?`M${n} ${s+pn/2}Q${n} ${a+8} ${n+80} ${a+8}H${r-$e/2}`:`M${n+$e/2} ${s}C${n+90} ${s} ${r-90} ${a} ${r-$e/2} ${a}`}var Ti=3e3;function Ri({run:e}){let t=e.status==="pending"?Ti:void 0,n=g(s=>y(`/job-runs/${e.id}/explain`,C.value,s),[e.id],{newer:[je(e.updatedAt)],everyMs:t});return o`<section class="card explanation">
		<h2>${e.completedAt?c.run.outcome:c.run.explain}</h2>
		<${S} asked=${n} lines=${2}>${({data:s})=>o`<${Ci} explanation=${s} hasEnded=${e.completedAt!==null} />`}<//>
	</section>`}function Ci({explanation:e,hasEnded:t}){let{status:n,summary:s,reasons:r,nextChangeAt:a,unknown:i}=e,l=n==="pending"&&r.some(({binding:u})=>u),$=r.find(({code:u})=>u==="canceled")?.details.by;return o`
		${!l&&o`<p class="summary">${t?s:o`<${Ht} text=${s} />`}</p>`}
		${typeof $=="string"&&o`<p class="quiet">${c.run.canceledBy} <bdi>${$}</bdi></p>`}
		${r.length>0&&!t&&o`<ul class="stack">
			${r.map(u=>o`<${Ni} key=${u.code} reason=${u} />`)}
		</ul>`}
		${a&&o`<p class="quiet">${c.run.until} <${A} at=${a} /></p>`}
		${i.map(u=>o`<p class="note" key=${u}>${u}</p>`)}
	`}function Ni({reason:e}){let{code:t,message:n,binding:s,since:r}=e;return o`<li class=${s?"reason is-binding":"reason"}>
		${s&&o`<${Z} name="next" label=${c.run.binding} />`}
		<span><bdi><${Ht} text=${n} /></bdi> <code class="quiet">${t}</code> ${r&&o`<small><${A} at=${r} /></small>`}</span>
	</li>`}var fr={story:fn,log:hs,events:Gi,causes:zi,data:el};function Ii(){let{id:e}=T.value,t=g(async n=>(await y(`/job-runs/${Y(e)}`,C.value,n)).data,[e]);return o`<${S} asked=${t} lines=${8} list="runs">
		${({run:n,job:s})=>o`<${Li} asked=${n} job=${s} />`}
	<//>`}function Li({asked:e,job:t}){let n=z(()=>[e],[e]),[s]=ne(n,"runs",({id:d})=>d),r=je(s.updatedAt),a=lr(s,r),i=g(d=>Pi(s.id,d),[s.id],{newer:[r]}),{tab:l}=T.value,$=M(s.status);F(()=>{$.current!==s.status&&U(c.run.isNow(s.status)),$.current=s.status},[s.status]);let u=fr[l]??fn;return o`
		<div class="screen-head">
			<div>
				<p class="quiet"><${ee} slug=${s.slug}>${t.name}<//></p>
				<h1 class="run-title"><${E} status=${s.status} /> <span class="id">${s.id}</span></h1>
			</div>
			<${Bi} run=${s} />
		</div>
		<${Di} run=${s} />
		${s.errorMessage&&hr.includes(s.status)&&o`
			<p class="error-message" tabindex="0"><code>${s.errorMessage}</code></p>
		`}
		<${Hi} run=${s} related=${a.answer} />
		<${Qe} tabs=${c.run.tabs} current=${fr[l]?l:"story"} />
		<${S} asked=${i}>
			${d=>o`<${u} run=${s} events=${d} related=${a} />`}
		<//>
	`}function Di({run:e}){let t=e.metrics?.progress;return e.status!=="running"||typeof t!="number"?null:o`<progress max="1" value=${t} aria-label=${c.run.progress}></progress>`}async function Pi(e,t){let{data:n,meta:s}=await y(`/job-runs/${e}/events`,[["limit",St]],t),r=[["subject",e],["type",cr.join()],["after",n.at(-1)?.position],["limit",St]],a=s.nextCursor?(await y("/events",r,t)).data:[];return[...n,...a].filter(Le)}function Hi({run:e,related:t}){let n=c.run.facts,s=a=>o`<${A} at=${a} full />`,r=[[n.created,s(e.createdAt)],e.scheduledAt!==e.createdAt&&[n.due,s(e.scheduledAt)],e.startedAt&&[n.started,s(e.startedAt)],e.completedAt&&[n.completed,s(e.completedAt)],e.startedAt&&[c.runs.columns.took,o`<${Ae} from=${e.startedAt} to=${e.completedAt} ms=${e.durationMs} />`],[n.attempts,c.runs.attemptOf(Vt(e),e.maxAttempts)],[n.by,e.requestedBy],e.failureReason&&[n.failure,o`<code>${e.failureReason}</code>`],e.timeoutMs&&[n.timeout,I(e.timeoutMs)],e.priority!==0&&[n.priority,e.priority],e.context?.retryOf&&[n.retryOf,o`<${D} id=${e.context.retryOf} /> <${O} to=${un(e.id,e.context.retryOf)}>${c.run.compareGo}<//>`],e.context?.rerunOf&&[c.jobs.rerunOf,o`<${D} id=${e.context.rerunOf} />`],t?.bulkOperation&&[n.bulk,o`<${Fi} ...${t.bulkOperation} />`],t?.retries.length&&[n.repeated,o`<${cn} runs=${t.retries.slice(0,qi)} origin=${e} />`],e.idempotencyKey&&[n.key,o`<code>${e.idempotencyKey}</code>`]];return o`<dl class="facts card">
		${r.filter(Array.isArray).map(([a,i])=>o`<div key=${a}><dt>${a}</dt><dd>${i}</dd></div>`)}
	</dl>`}var qi=3,Fi=({id:e,action:t,reason:n})=>o`<${O} to=${{view:"bulk",id:e}}>${c.bulk.title(t)}<//> · <bdi>${n}</bdi>`,hr=["pending","running"];function Bi({run:e}){let t=b(!1),n=M(oe()),s=hr.includes(e.status);return o`<div class="actions">
		${R.value&&o`<span class="quiet">${c.past.noActions}</span>`}
		${_.value&&s&&o`
			<button class="danger" disabled=${e.cancelRequestedAt!==null} onClick=${()=>Ji(e)}>${c.run.cancel} …</button>
		`}
		${_.value&&!s&&o`<button onClick=${()=>Ui(e,n)}>${c.run.retry}</button>`}
		${_.value&&o`<button onClick=${()=>t.value=!0}>${c.run.rerun} …</button>`}
		<${Vi} run=${e} />
		${t.value&&o`<${Wi} run=${e} onClose=${()=>t.value=!1} />`}
	</div>`}function Ji(e){let t=c.run,n={title:`${t.cancel} ${e.slug}`,text:t.cancelText,action:t.cancel};return ze(n,`/job-runs/${e.id}/cancel`,t.canceled)}async function Ui(e,t){let n=await H(()=>N(`/job-runs/${e.id}/retry`,void 0,{"Idempotency-Key":t.current}));n&&(t.current=oe(),B({view:"run",id:n.data.id}))}function Wi({run:e,onClose:t}){let n=vr(e);return o`<${Ye} title=${c.run.rerun} onClose=${t} className="wide">
		<${S} asked=${n}>
			${({job:s,first:r})=>o`
				<${wt} job=${s} origin=${{...e,...br(r)}} onLaunched=${t} />
			`}
		<//>
	<//>`}var vr=e=>g(async t=>{let[n,s]=await Promise.all([y(`/jobs/${e.slug}`,[["limit",1]],t),y(`/job-runs/${e.id}/events`,[["limit",1]],t)]);return{job:n.data.job,first:s.data[0]}},[]);function br(e){let{context:t=null,start_deadline_at:n,scheduled_at:s}=e?.data??{},r=(a,i)=>a&&i?Math.max(Date.parse(i)-Date.parse(a),0):null;return{context:t,delayMs:r(e?.occurredAt,s),startDeadlineMs:r(s,n)}}function Vi({run:e}){let t=b(!1);return o`<details class="menu" onToggle=${({target:n})=>t.value=n.open}>
		<summary>${c.run.copyAs}</summary>
		<div class="menu-box stack">${t.value&&o`<${Xi} run=${e} />`}</div>
	</details>`}function Xi({run:e}){let t=vr(e);return o`<${S} asked=${t}>${({job:n,first:s})=>{let r=Fs(n,{...e,...br(s)}),a=document.baseURI,i={curl:Qs(r,a,kn()!==""),CLI:tr(r,a),Python:nr(r,a)};return Object.entries(i).map(([l,$])=>o`<div key=${l}>
			<h3>${l}</h3>
			<div class="with-copy">
				<${Tn} text=${$} label=${c.copyOf(l)} />
				<pre class="json"><code>${$}</code></pre>
			</div>
		</div>`)}}<//>`}var St=500;function Gi({events:e}){let t=new Map(e.map(n=>[n.eventId,n]));return o`${e.length>=St&&o`<p class="note">${c.ofFirst(St)}</p>`}<ol class="events">
		${e.map(n=>o`
			<${Ki} key=${n.position} event=${n} cause=${t.get(n.causationId)} />
		`)}
	</ol>`}function Ki({event:e,cause:t}){let{type:n,position:s,occurredAt:r,actor:a,causationId:i,correlationId:l,data:$}=e,u=c.run.events;return o`<li class="card">
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
	</li>`}var mr=500,Yi=5e3;function zi({run:e,events:t}){let n=t[0]?.correlationId,s=g(async r=>n?y("/events",[["correlation",n],["limit",mr]],r):{data:t},[n],{newer:[e.status],everyMs:Yi});return o`<section class="card stack">
		<p class="quiet">${c.run.causesHint}</p>
		<${S} asked=${s}>
			${({data:r,meta:a})=>o`
				${a?.next&&o`<p class="note">${c.ofFirst(mr)}</p>`}
				<${gr} subjects=${sr(r.filter(Le))} current=${e.id} />
			`}
		<//>
	</section>`}function gr({subjects:e,current:t}){return o`<ul class="tree">
		${e.map(n=>o`<li key=${n.id}>
			<${Zi} subject=${n} isCurrent=${n.id===t} />
			${n.children.length>0&&o`<${gr} subjects=${n.children} current=${t} />`}
		</li>`)}
	</ul>`}function Zi({subject:e,isCurrent:t}){let{type:n,id:s,app:r,at:a,last:i,cause:l}=e,$=n==="job_run"?{view:"run",id:s}:r&&{view:"app",id:r},u=o`${n.replaceAll("_"," ")} <span class="id">${me(s)}</span>`;return o`<span class=${t?"is-current":""} aria-current=${t?"true":void 0}>
			${$&&!t?o`<${O} to=${$}>${u}<//>`:u}
		</span>${" "}
		<span class="tag">${i}</span>${" "}
		<small>${l&&`${c.run.causedBy(l)} \xB7 `}<${A} at=${a} /></small>`}var Qi=["parameters","result","metrics","context"];function el({run:e}){let{compare:t}=T.value;return o`<div class="cards pairs">
			${Qi.map(n=>o`<section class="card" key=${n}>
				<h2>${c.run[n]}</h2>
				<${Q} value=${e[n]} label=${c.run[n]} />
			</section>`)}
		</div>
		<section class="card stack">
			<h2>${c.run.compare}</h2>
			<${tl} />
			${t&&o`<${nl} run=${e} other=${t} key=${t} />`}
		</section>`}function tl(){let e=b(T.value.compare);return o`<form class="group" onSubmit=${n=>{n.preventDefault(),J({compare:e.value.trim()},{replace:!0})}}>
		<input class="id-input" aria-label=${c.run.compareId} placeholder=${c.run.compareId} value=${e.value}
			onInput=${V(e)} />
		<button>${c.run.compareGo}</button>
	</form>`}function nl({run:e,other:t}){let n=g(async s=>y(`/job-runs/${Y(t)}`,C.value,s),[t]);return o`<${S} asked=${n}>
		${({data:s})=>o`<${sl} found=${Gt(e,s.run)} />`}
	<//>`}function sl({found:e}){return e.length===0?o`<p>${c.run.same}</p>`:o`<${Ze} found=${e} />`}var rl={ArrowDown:1,ArrowUp:-1};function wr({words:e,setWords:t,jobs:n}){let s=b(""),r=b(-1),a=b(!1),i=M(null),l=s.value.split(/\s+/).at(-1)??"",$=a.value?Bn(l,al(n)):[],u=f=>{s.value="",r.value=-1,t(st(f).reduce(rt,e))},d=f=>{let x=s.value.slice(0,s.value.length-l.length);/[^=]$/.test(f)?u(x+f):s.value=x+f,r.value=-1,i.current?.focus()},p=(f,x)=>{f.preventDefault(),d(x)},m=f=>{let x=rl[f.key];x&&$.length>0?(f.preventDefault(),r.value=Math.min(Math.max(r.value+x,-1),$.length-1)):f.key==="Enter"?(f.preventDefault(),$[r.value]?d($[r.value]):u(s.value)):f.key==="Escape"?(a.value=!1,r.value=-1):f.key==="Backspace"&&s.value===""&&e.length>0&&t(Bt(e,e.length-1))},v=f=>{s.value=f.target.value,r.value=-1,a.value=!0};return o`<div class="filter" role="search">
		<div class="filter-box">
			<${Z} name="filter" />
			${e.map((f,x)=>o`
				<${ol} key=${Ft(f)} word=${f} remove=${()=>t(Bt(e,x))} />
			`)}
			<input ref=${i} data-filter role="combobox" aria-label=${c.runs.filter}
				aria-expanded=${$.length>0} aria-controls="filter-found" aria-autocomplete="list"
				aria-activedescendant=${r.value>=0?`filter-${r.value}`:void 0} autocomplete="off"
				placeholder=${e.length===0?c.runs.prompt:""}
				value=${s.value} onInput=${v} onKeyDown=${m} onFocus=${()=>a.value=!0}
				onBlur=${()=>a.value=!1} />
			${e.length>0&&o`<button
				class="plain" onClick=${()=>t([])} aria-label=${c.runs.clear} title=${c.runs.clear}>
				<${Z} name="close" />
			</button>`}
		</div>
		<ul role="listbox" id="filter-found" class="filter-found" aria-label=${c.runs.filter}
			hidden=${$.length===0}>
			${$.map((f,x)=>o`<li role="option" key=${f}
				id=${`filter-${x}`} aria-selected=${x===r.value}
				onMouseDown=${h=>p(h,f)}>
				${f}
			</li>`)}
		</ul>
	</div>`}function ol({word:e,remove:t}){let n=Ft(e);return o`<span class="chip ${e[0].endsWith("!")?"is-negated":""}">
		${n}
		<button class="plain" onClick=${t} aria-label=${c.runs.remove(n)}><${Z} name="close" /></button>
	</span>`}function al(e){let t=e.flatMap(({parametersSchema:n})=>Object.keys(n?.properties??{}));return{jobs:e.map(({slug:n})=>n),parameters:[...new Set(t)].sort()}}var yr="created";function kr({words:e,sort:t}){let n=b(!1),s=M(null),r=i=>{J(i),n.value=!1,s.current?.focus()},a=({target:i})=>n.value=i.open;return o`<details class="menu" open=${n.value} onToggle=${a}>
		<summary ref=${s}>${c.savedViews.title}</summary>
		<div class="menu-box stack">${n.value&&o`<${il} words=${e} sort=${t} open=${r} />`}</div>
	</details>`}function il({words:e,sort:t,open:n}){let s=g(a=>y("/views",C.value,a),[]);L("views",s.again);let r=a=>ye.value=ye.value.filter(([i])=>i!==a);return o`
		<${S} asked=${s} lines=${2}>
			${({data:a})=>a.length>0&&o`
				<h2>${c.savedViews.everybodys}</h2>
				<ul class="saved-views">
					${a.map(i=>o`<${ll} key=${i.name} view=${i} open=${n} again=${s.again} />`)}
				</ul>
			`}
		<//>
		${ye.value.length>0&&o`
			<h2>${c.savedViews.mine}</h2>
			<ul class="saved-views">
				${ye.value.map(([a,i,l=""])=>o`<li key=${a}>
					<button class="plain" title=${i} onClick=${()=>n({words:st(i),sort:l})}>
						<bdi>${a}</bdi>
					</button>
					<${xr} label=${c.savedViews.forget(a)} remove=${()=>r(a)} />
				</li>`)}
			</ul>
		`}
		<${cl} shared=${s.answer?.data??[]} words=${e} sort=${t} again=${s.again} />
	`}function ll({view:e,open:t,again:n}){let{name:s,filter:r,sort:a,savedBy:i,updatedAt:l}=e,$=Fn(r),u={words:$,sort:a===yr?"":a},d=async()=>{let p={title:c.savedViews.remove(s),text:c.savedViews.removeHint,action:c.savedViews.go};await ce(p)&&(await H(()=>le("DELETE",Or(s)),c.savedViews.isDeleted(s)),n())};return o`<li>
		<button class="plain" title=${qt($)} onClick=${()=>t(u)}><bdi>${s}</bdi></button>
		<small><bdi>${i}</bdi> · <${A} at=${l} /></small>
		${_.value&&o`<${xr} label=${c.savedViews.remove(s)} remove=${d} />`}
	</li>`}var xr=({label:e,remove:t})=>o`<button class="plain" aria-label=${e} title=${e} onClick=${t}><${Z} name="close" /></button>`;function cl({shared:e,words:t,sort:n,again:s}){let r=b(""),a=b(!1),i=d=>{let p=ye.value.filter(([m])=>m!==d);return ye.value=[...p,[d,qt(t),n]],!0},l=async d=>{let p=e.find(x=>x.name===d),m={title:c.savedViews.replace(d),text:c.savedViews.replaceHint,action:c.savedViews.goOn};if(p&&!await ce(m))return!1;let v={filter:qn(t),sort:n||yr},f=await H(()=>le("PUT",Or(d),v));return s(),f!==void 0},$=({target:d})=>a.value=d.value==="all";return o`<form class="group" onSubmit=${async d=>{d.preventDefault();let p=r.value.trim();await(_.value&&a.value?l:i)(p)&&(U(c.savedViews.isSaved(p)),r.value="")}}>
		<input
			required maxlength="100" pattern=".*\\S.*" aria-label=${c.savedViews.name} placeholder=${c.savedViews.name}
			value=${r.value} onInput=${V(r)} />
		${_.value&&o`<select
			aria-label=${c.savedViews.whose} value=${a.value?"all":"me"} onChange=${$}>
			<option value="me">${c.savedViews.forMe}</option>
			<option value="all">${c.savedViews.forEverybody}</option>
		</select>`}
		<button disabled=${t.length===0&&!n}>${c.savedViews.save}</button>
	</form>`}var Or=e=>`/views/${encodeURIComponent(e)}`;var ul=50,Sr=1e3;async function At({words:e,sort:t},n,s){let r=pe.peek().recent.runs,a=[...e,...C.value,["sort",t],["limit",ul]],{rows:i,next:l}=await de("/job-runs",a,n,s);return{rows:i.map(({run:$})=>$),next:l,known:r}}async function $l(e,t,n){let s=await At(e,null,n);if(!t?.newest||s.rows.length===0)return s;if(s.rows[0].id!==t.newest&&!e.sort){let r=await pl(t.newest,n);r!==null&&(s={...await At(e,r,n),hasNewer:!0})}for(;s.next!==null&&s.rows.length<Math.min(t.count,dl);){let{rows:r,next:a}=await At(e,s.next,n);s={...s,rows:[...s.rows,...r],next:a}}return{...s,stand:t}}var dl=1e3;async function pl(e,t){try{let{data:n}=await y(`/job-runs/${e}/events`,[["limit",1]],t);return n[0].position+1}catch(n){if(K(n).status===404)return null;throw n}}function fl(){let{words:e,sort:t}=T.value,n=JSON.stringify([e,t]),s=g(l=>$l({words:e,sort:t},An(),l),[n]),r=b(new Set),a=tt(),i=l=>J({words:l});return F(()=>{r.value=new Set},[n,R.value]),o`
		<div class="screen-head">
			<h1>${c.runs.title}</h1>
			<div class="actions">
				<${kr} words=${e} sort=${t} />
				<${O} to=${{view:"bulk"}}>${c.views.bulk}<//>
			</div>
		</div>
		<${wr} words=${e} setWords=${i} jobs=${a} />
		<${gl} words=${e} setWords=${i} />
		<div class="list-controls">
			<${kl} words=${e} selected=${r} />
			<${wl} sort=${t} />
		</div>
		<${S} asked=${s} lines=${10}>
			${l=>o`
				<${ml} page=${l} asked=${s} words=${e} sort=${t} selected=${r} jobs=${a}
					key=${n+R.value} />
			`}
		<//>
	`}function ml({page:e,asked:t,words:n,sort:s,selected:r,jobs:a}){let i=ne(e.rows,"runs",p=>p.id),l=z(()=>o`<${ue} runs=${i} sort=${s} selected=${_.value?r:void 0} />`,[i,_.value]),$=hl(e,t.isOld),u=()=>{jn(),t.again()};F(()=>{r.value=new Set(e.rows.map(({id:p})=>p).filter(p=>r.value.has(p)))},[e]);let d=o`<${vl} page=${e} words=${n} sort=${s} jobs=${a} show=${u} />`;return i.length===0?o`${d}<${bl} words=${n} />`:o`
		${d}
		<div ref=${$}>${l}</div>
		<${fe} asked=${t} load=${p=>At({words:n,sort:s},p)} text=${c.older} />
	`}function hl(e,t){let n=M(null),s=M({page:e,isOld:t});return s.current={page:e,isOld:t},F(()=>Sn(()=>{let{page:{rows:r},isOld:a}=s.current;return a||!n.current?null:{newest:r[0].id,count:r.length,top:n.current.getBoundingClientRect().top}}),[]),ge(()=>{e.stand&&!t&&n.current&&scrollBy(0,n.current.getBoundingClientRect().top-e.stand.top)},[e.stand,t]),n}function vl({page:e,words:t,sort:n,jobs:s,show:r}){let{known:a}=e,i=b({known:a,ids:new Set});i.value.known!==a&&(i.value={known:a,ids:new Set});let{runs:l,jobs:$}=pe.value.recent;F(()=>{let{ids:m}=i.value;if(l===a||s.length===0||R.value!==""||m.size>=Sr)return;let v=new Set(e.rows.map(w=>w.id)),f=new Map([...s,...$.values()].map(({slug:w,name:j})=>[w,j])),h=[...l.values()].filter(w=>a.get(w.id)!==w&&!v.has(w.id)&&Jn(w,{words:t,sort:n},e,j=>f.get(j))).filter(({id:w})=>!m.has(w));h.length>0&&(i.value={known:a,ids:new Set([...m,...h.map(({id:w})=>w)])})},[l,e,s]);let u=i.value.ids.size;if(u===0&&!e.hasNewer)return null;let d=e.hasNewer?c.runs.newest:Wn(t)?c.runs.fresh(u):c.runs.perhapsFresh,p=u<Sr?d:c.runs.manyFresh;return o`<p class="pager"><button class="pill" onClick=${r}>${p}</button></p>`}function bl({words:e}){return e.length>0?o`<${P} title=${c.runs.noMatch} hint=${c.runs.noMatchHint}>
		<button onClick=${()=>J({words:[]})}>${c.runs.clear}</button>
	<//>`:R.value?o`<${P} title=${c.runs.noneThen}>
		<button onClick=${()=>J({asOf:""})}>${c.past.back}</button>
	<//>`:o`<${P} title=${c.runs.empty} hint=${c.runs.emptyHint} command=${c.runs.emptyCommand} />`}function gl({words:e,setWords:t}){let n=Pn(),s=(e.find(([i])=>i==="status")?.[1]??"").split(",").filter(Boolean),r=e.every(([i])=>i==="status"),a=i=>{let l=s.includes(i)?s.filter(u=>u!==i):[...s,i],$=e.filter(([u])=>u!=="status");t(l.length>0?rt($,["status",l.join(",")]):$)};return o`<div class="status-filter" role="group" aria-label=${c.runs.columns.status}>
		${nt.map(i=>o`<button
			key=${i} class="status status-${i}" aria-pressed=${s.includes(i)}
			onClick=${()=>a(i)}>
			<${Z} name=${i} />${i}
			${r&&n&&o`<span class="count">${Se(n[i])}</span>`}
		</button>`)}
	</div>`}function wl({sort:e}){let t=({target:n})=>J({sort:n.value});return o`<label class="inline">${c.runs.sort}
		<select value=${e} onChange=${t}>
			${Object.entries(c.runs.orders).map(([n,s])=>o`<option key=${n} value=${n}>${s}</option>`)}
		</select>
	</label>
	${e&&o`<small>${c.runs.onlyEnded}</small>`}`}var yl=4;function kl({words:e,selected:t}){let n=b("");if(!_.value)return null;let s=t.value.size;return o`<div class="selection">
		${s>0?o`<span>${c.runs.selected(s)}</span><${Ol} selected=${t} />`:o`<span>${c.runs.allMatching}:</span>
			${xl.map(r=>o`
				<button key=${r} onClick=${()=>n.value=r}>${c.bulk.actions[r]} …</button>
			`)}`}
		${n.value&&o`
			<${at} action=${n.value} words=${e} onClose=${()=>n.value=""} />
		`}
	</div>`}var xl=["cancel","retry","rerun"];function Ol({selected:e}){let t=async n=>{let s=[...e.value],r=await ce({title:c.bulk.title(n),text:c.runs.selected(s.length),action:c.bulk.go(c.bulk.actions[n],s.length),asksReason:n==="cancel"});if(!r)return;let a=n==="cancel"&&r.reason?{reason:r.reason}:void 0,i=await Sl(s,$=>N(`/job-runs/${$}/${n}`,a));e.value=new Set;let l=c.bulk.ofTicked(s.length-i.length,s.length);U([l,...i.slice(0,3)].join(`
`),{isWrong:i.length>0})};return o`
		<button class="danger" onClick=${()=>t("cancel")}>${c.bulk.actions.cancel} …</button>
		<button onClick=${()=>t("retry")}>${c.bulk.actions.retry} …</button>
		<button class="plain" onClick=${()=>e.value=new Set}>${c.runs.clearSelection}</button>
	`}async function Sl(e,t){let n=[...e],s=[],r=async()=>{for(let a=n.shift();a!==void 0;a=n.shift())try{await t(a)}catch(i){s.push(c.bulk.one(a,K(i).message))}};return await Promise.all(Array.from({length:yl},r)),s}var We={d:864e5,h:36e5,min:6e4,s:1e3},Ar=Object.keys(We).reverse();function Ve(e){let t=Object.keys(We).find(n=>e%We[n]===0&&e>0)??"s";return{amount:String(e/We[t]),unit:t}}var mn=({amount:e,unit:t})=>e===""?null:Math.round(Number(e)*We[t]),jr="0 3 * * *",Mr={amount:"1",unit:"h"},Er=e=>({id:"",job:"",rhythm:"cron",cron:jr,every:Mr,timeZone:e,exclude:"",overlap:"skip",catchUp:Ve(6e4),jitter:Ve(0),startAt:"",endAt:"",pauseOnFailure:!1,parameters:{typed:void 0,raw:null}}),hn=e=>({id:e.id,job:e.job,rhythm:e.everyMs===null?"cron":"every",cron:e.cron??jr,every:e.everyMs===null?Mr:Ve(e.everyMs),timeZone:e.timeZone,exclude:e.exclude.join(`
`),overlap:e.overlap,catchUp:Ve(e.catchUpMs),jitter:Ve(e.jitterMs),startAt:e.startAt??"",endAt:e.endAt??"",pauseOnFailure:e.pauseOnFailure,parameters:{typed:e.parameters,raw:null}});function jt(e){let t=e.rhythm==="cron";return{...e.id&&{id:e.id},...e.job&&{job:e.job},cron:t?e.cron:null,everyMs:t?null:mn(e.every),timeZone:e.timeZone,exclude:e.exclude.split(`
`).map(n=>n.trim()).filter(Boolean),overlap:e.overlap,catchUpMs:mn(e.catchUp),jitterMs:mn(e.jitter),startAt:e.startAt||null,endAt:e.endAt||null,pauseOnFailure:e.pauseOnFailure}}function _r(e,{id:t,...n}){let s=e,r=([a,i])=>JSON.stringify(i)!==JSON.stringify(s[a]);return Object.fromEntries(Object.entries(n).filter(r))}function Tr(e){let[,t,n,s]=/^(\S{10})T(\d\d:\d\d:\d\d)(?:\.\d+)?(.+)$/.exec(e)??[];return`${new Date(`${t}T00:00:00Z`).toUTCString().slice(0,3)} ${t} ${n} ${s}`}var Al=["Sunday","Monday","Tuesday","Wednesday","Thursday","Friday","Saturday","Sunday"];function Ce({cron:e,everyMs:t,timeZone:n}){let s=c.schedules;if(t)return s.every(I(t));let r=n==="UTC"?"":` ${s.zone(n)}`,a=e??"";return(jl(a)??a)+r}function jl(e){let t=e.trim().split(/\s+/);if(t.length!==5)return null;let[n,s,r,a,i]=t,l=c.schedules,$=r==="*"&&a==="*",u=/^\*\/(\d+)$/.exec(n);if(u&&60%Number(u[1])===0&&s==="*"&&$&&i==="*")return l.every(`${u[1]} min`);if(e==="* * * * *")return l.every("1 min");if(!/^\d+$/.test(n)||!$)return null;if(s==="*"&&i==="*")return`${l.every("1 h")}, ${l.at(`:${n.padStart(2,"0")}`)}`;if(!/^\d+$/.test(s))return null;let p=l.at(`${s.padStart(2,"0")}:${n.padStart(2,"0")}`);return i==="*"?`${l.daily} ${p}`:i==="1-5"?`${l.weekdays} ${p}`:/^[0-7]$/.test(i)?`${l.every(Al[Number(i)])} ${p}`:null}var Ml=["skip","buffer_one","buffer_all","cancel_other","terminate_other","allow_all"],Mt=new Map;function El(e){let t=e?.id??"",n=Mt.get(t),s=n&&_l(n)&&n.before?.version!==e?.version;if(n&&!s)return n;let r={draft:ie(e?hn(e):Er(Xe())),before:e};return Mt.set(t,r),r}var _l=({draft:e,before:t})=>t&&JSON.stringify(e.value)===JSON.stringify(hn(t));function _t({schedule:e}){let t=c.schedules.form,n=e?.id??"",{draft:s,before:r}=El(e),a=b({message:"",issues:[]}),i=tt(),l=s.value.job||i.length===0?s.value:{...s.value,job:i[0].slug},$=Cl(l),u=[...a.value.issues,...$.error?.issues??[]],d=f=>{s.value={...l,...f};let x=Object.keys(f).map(w=>`/${Tl[w]??w}`),h=({path:w})=>x.every(j=>w!==j&&!w.startsWith(`${j}/`));a.value={message:"",issues:a.value.issues.filter(h)}},p=()=>{Mt.delete(n),B(e?{view:"schedule",id:n}:{view:"schedules"})},m=async f=>{f.preventDefault();let x=i.find(({slug:w})=>w.toLowerCase()===l.job.toLowerCase()),h=yt(l.parameters,x);try{if(!h)throw new Error(c.jobs.badJson);let w=await Rl(r,{...jt(l),parameters:h});Mt.delete(n),U(t.saved(w.id)),B({view:"schedule",id:w.id})}catch(w){let{code:j,message:X,issues:W=[]}=K(w);a.value={message:X,issues:j==="schedule_exists"?[{path:"/id",message:X}]:W},en(f.target)}},v={draft:l,issues:u,set:d};return o`<form class="stack" onSubmit=${m} noValidate>
		${e?.owner&&o`<p class="note">${t.owned(e.owner)}</p>`}
		${e&&e.version!==r?.version&&o`<p class="note" role="status">${t.newer(e.version)}</p>`}
		<div class="cards">
			<section class="card stack"><h2>${t.what}</h2><${Il} ...${v} jobs=${i} isNew=${!e} isWrong=${a.value.message===c.jobs.badJson} /></section>
			<section class="card stack"><h2>${c.schedules.columns.when}</h2><${Ll} ...${v} /></section>
			<div class="stack">
				<section class="card stack"><h2>${t.next}</h2><${Nl} draft=${l} ...${$} /></section>
				<section class="card stack"><h2>${t.rules}</h2><${Pl} ...${v} /></section>
			</div>
		</div>
		${a.value.message&&o`<p class="problem" role="alert">${a.value.message}</p>`}
		<div class="actions">
			<button class="main">${e?t.save:c.schedules.create}</button>
			<button type="button" onClick=${p}>${t.discard}</button>
		</div>
	</form>`}var Tl={rhythm:"cron",every:"everyMs",catchUp:"catchUpMs",jitter:"jitterMs"};async function Rl(e,t){if(!e)return(await N("/schedules",t)).data;let n=_r(e,t);return(await le("PATCH",`/schedules/${e.id}`,n)).data}function Cl(e){let t=je(JSON.stringify(jt(e))),{answer:n,error:s}=g(()=>N("/schedules/preview",JSON.parse(t)),[t]);return{ticks:n?.data,error:s}}function Nl({draft:e,ticks:t,error:n}){return o`<div class="stack" role="status">
		<p>${Ce(jt(e))}</p>
		${n&&o`<p class="problem">${n.message}</p>`}
		${t&&o`<${bn} ticks=${t} />`}
	</div>`}function bn({ticks:e}){let t=c.schedules.form;return e.length===0?o`<p class="note">${t.never}</p>`:o`<ol class="coming">
		${e.map(({dueAt:n,firesAt:s,isExcluded:r})=>o`<li key=${n}>
			<time datetime=${n}>${Tr(n)}</time>${" "}
			${r&&o`<span class="tag">${c.schedules.excluded}</span>`}
			${Date.parse(s)>Date.parse(n)&&o`<small>${t.late(I(Date.parse(s)-Date.parse(n)))}</small>`}
		</li>`)}
	</ol>`}function Il({draft:e,issues:t,set:n,jobs:s,isNew:r,isWrong:a}){let i=c.schedules.form,l=u=>({target:d})=>n({[u]:d.value}),$=s.find(({slug:u})=>u.toLowerCase()===e.job.toLowerCase());return o`
		${r&&o`<${he} name="id" title=${i.name} hint=${i.nameHint} issues=${t}>
			${u=>o`<input ...${u} required maxlength="100" value=${e.id} onInput=${l("id")} />`}
		<//>`}
		<${he} name="job" title=${c.views.job} issues=${t}>
			${u=>o`<select ...${u} value=${$?.slug} onChange=${l("job")}>
				${!$&&e.job&&o`<option>${e.job}</option>`}
				${s.map(({slug:d})=>o`<option key=${d} value=${d}>${d}</option>`)}
			</select>`}
		<//>
		${$&&o`<fieldset>
			<legend>${c.run.parameters}</legend>
			<${tn} key=${$.slug} job=${$} draft=${e.parameters} issues=${t} isWrong=${a}
				onChange=${u=>n({parameters:u})} />
			${Et(t,"parameters").map(u=>o`<p class="problem" key=${u}>${u}</p>`)}
		</fieldset>`}
	`}function Ll({draft:e,issues:t,set:n}){let s=c.schedules.form,r=e.rhythm==="cron",a=(u,d)=>o`<label class="check">
		<input type="radio" name="rhythm" checked=${e.rhythm===u} onChange=${()=>n({rhythm:u})} />${d}
	</label>`,i=u=>d=>n({[u]:d}),l=u=>({target:d})=>i(u)(d.value),$=u=>d=>o`<${nn} common=${d} value=${e[u]} set=${l(u)} onChange=${i(u)} />`;return o`
		<div class="group" role="radiogroup" aria-label=${c.schedules.columns.when}>
			${a("cron",s.byCron)}${a("every",s.byInterval)}
		</div>
		${r?o`<${he} name="cron" title=${s.cron} hint=${s.cronHint} issues=${t}>
				${u=>o`<input ...${u} class="id" value=${e.cron} onInput=${l("cron")} />`}
			<//>`:o`<${vn} name="everyMs" also="cron" title=${s.every} value=${e.every} issues=${t}
				onChange=${i("every")} />`}
		<${he} name="timeZone" title=${c.schedules.timeZone} hint=${r?"":s.zoneOfInterval} issues=${t}>
			${u=>o`<input ...${u} list="time-zones" value=${e.timeZone} onInput=${l("timeZone")} />
				<datalist id="time-zones">${Dl().map(d=>o`<option key=${d}>${d}</option>`)}</datalist>`}
		<//>
		<${he} name="startAt" title=${s.start} hint=${r?"":s.startOfInterval} issues=${t}>
			${$("startAt")}
		<//>
		<${he} name="endAt" title=${s.end} issues=${t}>
			${$("endAt")}
		<//>
		<${he} name="exclude" title=${s.exclude} hint=${s.excludeHint} issues=${t}>
			${u=>o`
				<textarea ...${u} class="growing" rows="2" value=${e.exclude} onInput=${l("exclude")}></textarea>
			`}
		<//>
		<${vn} name="jitterMs" title=${s.jitter} hint=${s.jitterHint} value=${e.jitter} issues=${t}
			onChange=${i("jitter")} />
	`}var Dl=()=>Intl.supportedValuesOf?.("timeZone")??[];function Pl({draft:e,issues:t,set:n}){let s=c.schedules.form,r=({target:a})=>n({pauseOnFailure:a.checked});return o`
		<fieldset>
			<legend>${c.schedules.overlap}</legend>
			${Ml.map(a=>o`<label class="check" key=${a}>
				<input type="radio" name="overlap" checked=${e.overlap===a} onChange=${()=>n({overlap:a})} />
				${a.replaceAll("_"," ")}<small>${c.schedules.overlaps[a]}</small>
			</label>`)}
			${Et(t,"overlap").map(a=>o`<p class="problem" key=${a}>${a}</p>`)}
		</fieldset>
		<${vn} name="catchUpMs" title=${s.catchUp} hint=${s.catchUpHint} value=${e.catchUp} issues=${t}
			onChange=${a=>n({catchUp:a})} />
		<label class="check">
			<input type="checkbox" checked=${e.pauseOnFailure} onChange=${r} />
			${s.pauseOnFailure}
		</label>
	`}function Et(e,t){let n=e.filter(({path:s})=>s===`/${t}`||t==="exclude"&&s.startsWith("/exclude/"));return[...new Set(n.map(({path:s,message:r})=>{let a=s.split("/")[2];return a===void 0?r:`${Number(a)+1}: ${r}`}))]}function he({name:e,also:t,title:n,hint:s,issues:r,children:a}){let i=[...Et(r,e),...t?Et(r,t):[]],l=`schedule-${e}`,$=[s&&`${l}-hint`,i.length>0&&`${l}-wrong`].filter(Boolean).join(" ")||void 0,u={id:l,"aria-describedby":$,"aria-invalid":i.length>0?"true":void 0};return o`<div class="field">
		<label for=${l}>${n}</label>
		${a(u)}
		${s&&o`<small id=${`${l}-hint`}>${s}</small>`}
		${i.length>0&&o`<p class="problem" id=${`${l}-wrong`}>${i.join("; ")}</p>`}
	</div>`}function vn({value:e,onChange:t,...n}){let s=r=>({target:a})=>t({...e,[r]:a.value});return o`<${he} ...${n}>
		${r=>o`<div class="group">
			<input ...${r} class="amount" type="number" min="0" step="any" value=${e.amount} onInput=${s("amount")} />
			<select aria-label=${c.schedules.form.unitOf(n.title)} value=${e.unit} onChange=${s("unit")}>
				${Ar.map(a=>o`<option key=${a} value=${a}>${c.schedules.form.units[a]}</option>`)}
			</select>
		</div>`}
	<//>`}var Rr=100;async function Tt(e,t,n){let s=[];for(let i=0;i<e.length;i+=Rr)s.push(e.slice(i,i+Rr));let a=(await Promise.all(s.map(i=>y("/job-runs/by-schedule",[["schedule",i.join(",")],["last",t]],n)))).flatMap(({data:i})=>i);return new Map(a.map(i=>[i.schedule,i]))}var Hl=({status:e})=>e==="pending"||e==="running",ql=({status:e})=>e==="failed"||e==="expired";function Rt(e){let t=e?.last.find(n=>!Hl(n));return t&&ql(t)?t:void 0}var Ct=({run:e})=>o`<${O} to=${{view:"run",id:e.id}}>
	<${E} status="failed" label=${c.schedules.lastFailed} /><//>`;function Nt({runs:e}){return e?e.last.length===0?o`<span class="quiet">${c.schedules.runs.none}</span>`:o`<span class="strip">
		${e.last.toReversed().map(({id:t,status:n,createdAt:s})=>{let r=`${c.status(n)}, ${se(s)}`;return o`<${O} key=${t} to=${{view:"run",id:t}} class="status-${He(n)}" aria-label=${r} title=${r}>
				<${Z} name=${He(n)} />
			<//>`})}
	</span>`:o`<span class="quiet">–</span>`}function It({id:e,runs:t}){let n=c.schedules.runs;if(!t)return null;let{succeeded:s,failed:r,expired:a}=t.counts,i=r+a,l=s+i;if(l===0)return o`<span class="quiet">–</span>`;let $=[["actor",`schedule:${e}`]],u=[["createdAfter",t.since]];return o`<${O} to=${{view:"runs",words:[...$,...u]}}>${n.rate(s,l)}<//>
		${i>0&&o` · <${O} to=${{view:"runs",words:[["status","failed,expired"],...$,...u]}}>
			<strong class="worse">${n.failed(i)}</strong><//>`}
		${Bl(t)&&o` <small>${n.since(se(t.since))}</small>`}`}var Fl=864e5,Bl=({since:e})=>Ge.value-Date.parse(e)<6.9*Fl;var Jl=10,Ul=100,Wl=20;function Vl(){let{id:e}=T.value,t=g(async n=>{let[{data:s},{data:r}]=await Promise.all([y(`/schedules/${Y(e)}`,[],n),y(`/schedules/${e}/preview`,[["n",Jl]],n)]),[a,i]=await Promise.all([Gl(e,n),Tt([s.id],Ul,n)]);return{schedule:s,preview:r,ticks:a,runs:i.get(s.id)}},[e]);return L("schedules",t.again,n=>n.has(e)),L("runs",t.again,n=>[...n.values()].some(({requestedBy:s})=>s===`schedule:${e}`)),o`<${S} asked=${t} lines=${8} list="schedules">
		${n=>T.value.tab==="edit"?o`<${Xl} schedule=${n.schedule} />`:o`<${Kl} ...${n} again=${t.again} />`}
	<//>`}function Xl({schedule:e}){return o`<div class="screen-head"><h1>${c.schedules.edit} ${e.id}</h1></div>
		${_.value?o`<${_t} schedule=${e} key=${e.id} />`:o`<${ke} />`}`}async function Gl(e,t){let n=i=>de(`/schedules/${e}/ticks`,[["limit",100]],i,t),s=0,r=await n(s),a=r.next&&(await y("/job-runs/counts",[],t)).meta.position;for(;r.next&&a>1;){a=Math.ceil(a/2);let i=await n(s+a);i.next&&(s+=a),i.rows.length>0&&(r=i)}return r.rows.reverse()}function Kl({schedule:e,preview:t,ticks:n,runs:s,again:r}){let a=c.schedules,i=Rt(s);return o`<div class="screen-head">
			<div><h1>${e.id}</h1><p>${Ce(e)} · <${ee} slug=${e.job} /></p></div>
			${_.value&&o`<${Zl} schedule=${e} again=${r} />`}
		</div>
		${e.paused&&o`<p class="note"><${E} status="paused" /> <bdi>${e.paused.reason??""}</bdi></p>`}
		<section class="card stack">
			<div class="screen-head">
				<h2>${a.runs.title}</h2>
				${i&&o`<${Ct} run=${i} />`}
				<div class="actions"><${O} to=${{view:"runs",words:[["actor",`schedule:${e.id}`]]}}>${a.runs.all}<//></div>
			</div>
			<${Nt} runs=${s&&{...s,last:s.last.slice(0,Wl)}} />
			<p>${a.runs.week}: <${It} id=${e.id} runs=${s} /></p>
		</section>
		<div class="cards">
			<section class="card stack">
				<h2>${a.next}</h2>
				<${bn} ticks=${t} />
			</section>
			<section class="card stack">
				<h2>${c.run.parameters}</h2>
				<${Q} value=${e.parameters} label=${c.run.parameters} />
			</section>
		</div>
		<${Yl} schedule=${e} />
		<section class="stack"><h2>${a.past}</h2><${zl} ticks=${n} runs=${s?.last??[]} /></section>`}function Yl({schedule:e}){let t=c.schedules,{overlap:n,jitterMs:s,catchUpMs:r,startAt:a,endAt:i,exclude:l,pauseOnFailure:$,owner:u}=e,d=[[t.overlap,t.overlaps[n]],[t.facts.catchUp,I(r)],[t.facts.pauseOnFailure,$?t.yes:t.no],[t.facts.jitter,s>0&&I(s)],[t.facts.start,a&&o`<${A} at=${a} full />`],[t.facts.end,i&&o`<${A} at=${i} full />`],[t.facts.exclude,l.length>0&&l.map(p=>o`<code key=${p}>${p}</code> `)],[t.facts.owner,u]];return o`<dl class="facts card">
		${d.filter(([,p])=>p).map(([p,m])=>o`<div key=${p}><dt>${p}</dt><dd>${m}</dd></div>`)}
	</dl>`}function zl({ticks:e,runs:t}){let n=new Map(t.map(({id:i,status:l})=>[i,l])),s=c.schedules;if(e.length===0)return o`<p class="quiet">${s.noTicks}</p>`;let r=[{name:"first",title:s.due,cell:({dueAt:i,lastDueAt:l,ticks:$})=>o`<${A} at=${i} />${$>1&&o` – <${A} at=${l} />`}`},{name:"status",title:s.outcome,cell:({outcome:i,ticks:l})=>o`<span class="tag">${i}</span> ${l>1&&`\xD7 ${l}`}`},{name:"why",title:s.why,cell:({reason:i,cause:l})=>i??l},{name:"run",title:c.runs.columns.run,cell:({runId:i})=>i&&o`<${D} id=${i} /> ${n.has(i)&&o`<${E} status=${n.get(i)} />`}`}],a=({position:i})=>i;return o`<${te} label=${s.past} rows=${e} keyOf=${a} columns=${r} />`}function Zl({schedule:e,again:t}){let n=c.schedules,s=`/schedules/${e.id}`,r=M(oe()),a=async()=>{let l=await H(()=>N(`${s}/trigger`,void 0,{"Idempotency-Key":r.current}));l&&(r.current=oe(),U(c.jobs.launched(l.data.id)))};return o`<div class="actions">
		<button class="danger" onClick=${async()=>{let l={title:n.removeTitle(e.id),text:n.removeText(e.id),action:n.remove};await ce(l)&&await H(()=>le("DELETE",s),n.removed(e.id))&&B({view:"schedules"},{replace:!0})}}>${n.remove} …</button>
		<button onClick=${()=>B({view:"schedule",id:e.id,tab:"edit"})}>${n.edit}</button>
		<${et} paused=${e.paused} name=${e.id} path=${s} text=${n.pauseText} again=${t} />
		<${Ql} path=${s} again=${t} />
		<button class="main" onClick=${a}>${n.trigger}</button>
	</div>`}function Ql({path:e,again:t}){let n=c.schedules,s=b(""),r=b(""),a=b(null),i=M(!1),l=async $=>{$.preventDefault(),i.current=!1;let u=Lt(s.value),d=0;for(;u&&!i.current;){a.value=d;let p=await H(()=>N(`${e}/backfill`,{from:u,to:Lt(r.value)}));if(!p)break;d+=p.data.count,u=p.data.continueFrom,U(n.filled(d))}a.value=null,t()};return o`<details class="menu">
		<summary>${n.backfill}</summary>
		<form class="menu-box stack" onSubmit=${l}>
			<label>${n.from}<input type="datetime-local" step="1" required value=${s.value} onInput=${V(s)} /></label>
			<label>${n.to}<input type="datetime-local" step="1" required value=${r.value} onInput=${V(r)} /></label>
			<small>${c.zone(Xe())}</small>
			${a.value===null?o`<${tc} path=${e} from=${s.value} to=${r.value} /><button>${n.backfill}</button>`:o`<p>${n.filled(a.value)}</p>
					<button type="button" class="danger" onClick=${()=>i.current=!0}>${n.stop}</button>`}
		</form>
	</details>`}var Lt=e=>new Date(e).toISOString(),ec=10;function tc({path:e,from:t,to:n}){let s=c.schedules,r=g(async()=>{let a=t&&n&&Lt(t),i=0;for(let l=0;a&&l<ec;l+=1){let{data:$}=await N(`${e}/backfill`,{from:a,to:Lt(n),dryRun:!0});i+=$.count,a=$.continueFrom}return t&&n&&s.wouldFill(i,a!==null)},[t,n]);return r.error?o`<p class="problem">${r.error.message}</p>`:o`<p role="status">${r.answer}</p>`}function nc(){return T.value.tab==="new"?o`<${sc} />`:o`<${rc} />`}function sc(){return o`<div class="screen-head"><h1>${c.schedules.create}</h1></div>
		${_.value?o`<${_t} />`:o`<${ke} />`}`}function rc(){let e=g(t=>re("/schedules",C.value,t),[]);return L("schedules",e.again),o`<div class="screen-head">
			<h1>${c.schedules.title}</h1>
			${_.value&&o`<div class="actions">
				<button class="main" onClick=${()=>B({view:"schedules",tab:"new"})}>${c.schedules.create}</button>
			</div>`}
		</div>
		<${S} asked=${e}>${t=>o`<${lc} schedules=${t} />`}<//>`}var oc=8,ac=1e4;function ic(e){let t=e.map(({id:s})=>s);return g(async s=>R.value?null:Tt(t,oc,s),[t.join(",")],{everyMs:ac}).answer??(R.value?null:new Map)}function lc({schedules:e}){let t=ic(e),n=c.schedules.columns;if(e.length===0)return o`<${P}
			title=${c.schedules.empty} hint=${c.schedules.emptyHint} command=${c.schedules.emptyCommand} />`;let s=[{name:"first",title:n.schedule,cell:({id:r,job:a})=>o`<${O} to=${{view:"schedule",id:r}}><strong>${r}</strong><//>${" "}
					<small><${ee} slug=${a} /></small>`},{name:"when",title:n.when,cell:r=>Ce(r)},{name:"next",title:n.next,cell:({nextAt:r,paused:a})=>a&&!t?o`<${E} status="paused" />`:o`<${A} at=${a?null:r} />`}];return t?s.push(...cc(t)):s.push({name:"last",title:n.last,cell:({lastTick:r})=>o`<${Cr} tick=${r} />`}),o`<${te} label=${c.schedules.title} rows=${e} keyOf=${({id:r})=>r} columns=${s} />`}function cc(e){let t=c.schedules.columns;return[{name:"state",title:t.state,cell:n=>o`<${uc} schedule=${n} runs=${e.get(n.id)} />`},{name:"runs",title:t.runs,cell:({id:n})=>o`<${Nt} runs=${e.get(n)} />`},{name:"week",title:t.week,cell:({id:n})=>o`<${It} id=${n} runs=${e.get(n)} />`}]}function uc({schedule:e,runs:t}){let{paused:n,lastTick:s}=e,r=Rt(t),a=s?.outcome==="skipped"&&s.reason!=="paused";return o`
		${r&&o`<${Ct} run=${r} />`}
		${n&&o` <${E} status="paused" />`}
		${t&&!r&&!n&&o`<${E} status="ready" label=${c.schedules.active} />`}
		${a&&o` <small><${Cr} tick=${s} /></small>`}
	`}function Cr({tick:e}){return e?o`<span class="tag">${e.outcome}</span>${" "}
		<small><${A} at=${e.dueAt} /></small>${" "}
		${e.runId?o`<${D} id=${e.runId} />`:o`<small>${e.reason?.replaceAll("_"," ")??""}</small>`}`:o`<span class="quiet">–</span>`}var $c=3e3;function dc(){let e=g(t=>re("/workers",[],t),[],{everyMs:$c});return o`<div class="screen-head"><h1>${c.workers.title}</h1></div>
		<${S} asked=${e}>${t=>o`<${pc} workers=${t} again=${e.again} />`}<//>`}function pc({workers:e,again:t}){let n=c.workers.columns;if(e.length===0)return o`<${P}
			title=${c.workers.empty} hint=${c.workers.emptyHint} command=${c.overview.startWorker} />`;let s=[{name:"first",title:n.worker,cell:({id:r,host:a,pid:i})=>o`<strong class="id">${r}</strong> <small>${c.workers.at(a,i)}</small>
				<${O} to=${{view:"runs",words:[["worker",r]]}}>${c.workers.runs}<//>`},{name:"status",title:n.state,cell:({state:r})=>o`<${E} status=${r} />`},{name:"slots",title:n.slots,cell:({busy:r,slots:a,sharedBusy:i,sharedSlots:l})=>o`<meter min="0" max=${a} value=${r} aria-label=${c.overview.slots(r,a)}>
					</meter>${" "}
					<small>${c.overview.slots(r,a)}</small>
					${l>0&&o`<br /><small>${c.workers.shared(i,l)}</small>`}`},{name:"labels",title:n.labels,cell:({labels:r})=>Object.entries(r).map(([a,i])=>o`
				<span class="tag" key=${a}>${a}=${i}</span>${" "}
			`)},{name:"handlers",title:n.handlers,cell:({entryPoints:r})=>o`<${fc} names=${r} />`},{name:"beat",title:n.beat,cell:({lastBeatAt:r})=>o`<${A} at=${r} />`},{name:"version",title:n.version,cell:({version:r})=>r},{name:"action",title:c.actions,isTitleHidden:!0,cell:r=>r.state==="alive"&&_.value&&o`<button onClick=${()=>mc(r,t)}>${c.workers.drain} …</button>`}];return o`<${te} label=${c.workers.title} rows=${e} keyOf=${({id:r})=>r} columns=${s} />`}function fc({names:e}){return e===null?c.workers.any:o`<details>
		<summary>${c.workers.handlers(e.length)}</summary>
		<ul>${e.map(t=>o`<li key=${t}><code>${t}</code></li>`)}</ul>
	</details>`}async function mc({id:e},t){let n=c.workers;await ce({title:`${n.drain} ${e}`,text:n.drainText,action:n.drain})&&await H(()=>N(`/workers/${e}/drain`).then(t),n.drained)}export{Nr as app,Fr as apps,Yr as bulk,Jo as failures,ja as job,Ja as jobs,ti as log,Ii as run,fl as runs,Vl as schedule,nc as schedules,dc as workers};
