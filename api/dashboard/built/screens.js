// licences.txt names what is in it.
import{$ as Mn,A as R,Aa as Se,B as Ne,Ba as E,C as gn,Ca as Qe,D as wn,Da as et,E as yn,Ea as It,F as J,Fa as Lt,G as U,Ga as Cn,H as We,Ha as Nn,I as Ve,Ia as In,J as kn,Ja as tt,K as Ie,Ka as Dt,L as Le,La as Ln,M as ge,Ma as Dn,N as xn,Na as Pn,O as o,Oa as Hn,P as W,Pa as qn,Q as Y,Qa as Fn,R as B,Ra as Jn,S as P,Sa as Un,T as On,Ta as Bn,U as pe,Ua as Wn,V as Sn,Va as Vn,W as An,Wa as Gn,X as Ge,Xa as Kn,Y as ie,Ya as nt,Z as Ke,_ as jn,a as F,aa as z,b as ve,ba as Ye,c as M,ca as S,d as K,da as L,e as ue,ea as Z,f as g,fa as fe,g as xe,ga as ze,h as c,ha as Ze,i as mn,ia as we,j as G,ja as D,k as hn,ka as En,l as k,la as A,m as $e,ma as De,n as vn,na as j,o as ne,oa as X,p as ae,pa as O,q as N,qa as Nt,r as be,ra as Tn,s as se,sa as ee,t as de,ta as Oe,u as Ct,ua as _n,v as C,va as x,w as Be,wa as Xe,x as bn,xa as Rn,y as T,ya as Q,z as _,za as I}from"./dashboard.js";var Yn=50;function gr(){let{id:e}=T.value,t=x(async n=>{let[s,r,a]=await Promise.all([k(`/apps/${e}`,[],n),k(`/apps/${e}/builds`,[["limit",Yn]],n),k(`/apps/${e}/history`,[["limit",Yn]],n)]),i=r.meta.hasMore||a.meta.hasMore;return{app:s.data,builds:r.data,history:a.data,isCut:i}},[e]);return I("apps",t.again,n=>n.has(e)),I("builds",t.again,n=>[...n.values()].some(s=>s.repositoryId===e&&!t.answer?.builds.some(r=>r.id===s.id))),o`<${A} asked=${t} lines=${8} list="apps">
		${n=>o`<${wr} ...${n} again=${t.again} />`}
	<//>`}function wr({app:e,builds:t,history:n,isCut:s,again:r}){let a=Q(t,"builds",({id:l})=>l),i=c.apps;return o`<div class="screen-head">
			<div><h1>${e.name}</h1><p class="quiet"><code>${e.repoUrl}</code></p></div>
			${E.value&&o`<div class="actions">
				<button onClick=${()=>P(()=>N(`/apps/${e.id}/retry`).then(r))}>${i.retry}</button>
				<button class="main" onClick=${()=>P(()=>N(`/apps/${e.id}/builds`).then(r))}>
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
		<${kr} tiles=${e.previewTiles} />
		<section class="stack">
			<h2>${i.builds}</h2>
			${a.length===0?o`<p class="quiet">${i.noBuilds}</p>`:a.map(l=>o`
				<${xr} key=${l.id} build=${l} again=${r} />
			`)}
		</section>
		<section class="card stack">
			<h2>${i.history}</h2>
			<ol class="needs">
				${n.map(l=>o`<li key=${l.id}>
					<${j} status=${l.status} /> ${l.message}
					<small><${O} at=${l.createdAt} /></small> <${L} id=${l.jobRunId} />
				</li>`)}
			</ol>
		</section>`}var Pt=({src:e,posterUrl:t,embedUrl:n})=>e??t??n??"";function yr({tile:e}){let t=Pt(e),n=e.title??t;return/^https?:/.test(t)?o`<a href=${t} rel="noreferrer">${n}</a>`:n}function kr({tiles:e}){return e.length===0?null:o`<section class="stack">
		<h2>${c.apps.previews}</h2>
		<ul class="cards">
			${e.map(t=>o`<li class="card stack" key=${t.id}>
				${Pt(t).startsWith("data:image/")?o`
					<img class="preview" src=${Pt(t)} alt=${t.title?"":c.apps.preview} />
					${t.title&&o`<small>${t.title}</small>`}
				`:o`<${yr} tile=${t} />`}
			</li>`)}
		</ul>
	</section>`}function xr({build:e,again:t}){let{id:n,status:s,imageTag:r,errorMessage:a,commitSha:i,createdAt:l,startedAt:$,completedAt:u,durationMs:d,hasLogs:p,jobRunId:f}=e,h=g(!1),m=({target:v})=>h.value=v.open,w=c.apps;return o`<article class="card stack">
		<div class="screen-head">
			<h3><span class="id">${fe(n)}</span></h3>
			<${j} status=${s} />
			<small><${O} at=${l} /> · <${Oe} from=${$} to=${u} ms=${d} /></small>
			${f&&o`<${L} id=${f} />`}
			${s==="failed"&&E.value&&o`
				<div class="actions"><button onClick=${()=>P(()=>N(`/builds/${n}/retry`).then(t))}>${w.rebuild}</button></div>
			`}
		</div>
		<p>
			${r&&o`<code>${r}</code>`}${" "}
			${i&&o`<small class="id">${i.slice(0,12)}</small>`}
		</p>
		${a&&o`<p class="problem">${a}</p>`}
		${p&&o`<details onToggle=${m}>
			<summary>${w.log}</summary>
			${h.value&&o`<${Or} id=${n} status=${s} />`}
		</details>`}
	</article>`}function Or({id:e,status:t}){let n=x(s=>k(`/builds/${e}/logs`,[],s),[e],{newer:[t],everyMs:t==="running"?2e3:void 0});return o`<${A} asked=${n}>
		${({data:s})=>o`<pre class="log-lines" tabindex="0" aria-label=${c.apps.log}>${s.logs}</pre>`}
	<//>`}var Sr=48;function Ar(){let e=Object.fromEntries(T.value.words),t=a=>async i=>{let{data:l,meta:$,total:u}=await k("/apps",[["q",e.q],["status",e.status],["limit",Sr],["offset",a]],i);return{rows:l,total:u??l.length,next:$.nextOffset}},n=x(t(0),[e.q,e.status]),s=g(e.q??""),r=a=>{a.preventDefault(),U({words:s.value?[["q",s.value]]:[]})};return o`<div class="screen-head">
			<h1>${c.apps.title} ${n.answer&&o`<span class="count">${xe(n.answer.total)}</span>`}</h1>
			<form class="group" role="search" onSubmit=${r}>
				<input
					type="search" data-filter aria-label=${c.apps.search} placeholder=${c.apps.search}
					value=${s.value} onInput=${W(s)} />
			</form>
		</div>
		<${A} asked=${n}>
			${({rows:a})=>o`
				<${jr} found=${a} isAll=${!e.q&&!e.status} />
				<${pe} asked=${n} load=${i=>t(i)()} />
			`}
		<//>`}function jr({found:e,isAll:t}){let n=Q(e,"apps",({id:s})=>s);return n.length===0&&!t?o`<${D} title=${c.apps.noMatch} hint=${c.apps.noMatchHint} />`:n.length===0?o`<${D} title=${c.apps.empty} hint=${c.apps.emptyHint} command=${c.apps.emptyCommand} />`:o`<ul class="cards">${n.map(s=>o`<${Mr} key=${s.id} app=${s} />`)}</ul>`}function Mr({app:e}){return o`<li class="card stack">
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
			<${O} at=${e.updatedAt} />
		</p>
	</li>`}var Er={created:"createdAt",started:"startedAt",ended:"completedAt"};function le({runs:e,selected:t,sort:n="",isBrief:s=!1,isOfOneJob:r=!1}){let a=c.runs.columns,i=n==="started"||n==="ended"?n:"created",l=[{name:"first",title:a.run,cell:$=>o`<${L} id=${$.id} />`},{name:"job",title:a.job,cell:$=>o`<${Z} slug=${$.slug} />`},{name:"status",title:a.status,cell:$=>o`<${_r} run=${$} />`},{name:"took",title:a.took,cell:$=>o`<${Oe} from=${$.startedAt} to=${$.completedAt} ms=${$.durationMs} />`},{name:"created",title:a[i],cell:$=>o`<${O} at=${$[Er[i]]} />`}];return s||l.push({name:"why",title:a.details,cell:$=>o`<${Cr} run=${$} />`}),r&&l.splice(1,1),t&&l.unshift(Nr(e,t)),o`<${X} label=${c.runs.title} rows=${e} keyOf=${Tr} columns=${l}
		rowClass=${({id:$})=>t?.value.has($)?"is-selected":""} />`}var Tr=({id:e})=>e;function _r({run:e}){let t=e.attempt>1;return o`<${j} status=${e.status} />${" "}
		${t&&o`<small>${c.runs.attemptOf(e.attempt,e.maxAttempts)}</small>`}`}var Rr=500;function Cr({run:e}){if(e.errorMessage)return o`<span class="one-line">${e.errorMessage}</span>`;if(e.status==="pending")return o`<small>${c.runs.dueAt} <${O} at=${e.scheduledAt} /></small>`;let t=Object.entries(e.parameters??{}).map(([n,s])=>`${n}=${JSON.stringify(s)}`);return o`<span class="one-line quiet">${t.join(" ").slice(0,Rr)}</span>`}function Nr(e,t){let n=a=>{let i=new Set(t.value);i.delete(a)||i.add(a),t.value=i},s=e.length>0&&e.every(({id:a})=>t.value.has(a)),r=()=>t.value=s?new Set:new Set(e.map(({id:a})=>a));return{name:"select",title:o`<input type="checkbox" aria-label=${c.runs.selectAll} checked=${s} onChange=${r} />`,cell:({id:a})=>o`<input type="checkbox" aria-label=${c.runs.select(fe(a))} checked=${t.value.has(a)}
				onChange=${()=>n(a)} />`}}function Ir(){let{id:e}=T.value,t=x(async n=>{if(!e)return zn(null,n);let{data:s}=await k(`/bulk/${e}`,R.value,n);return{rows:[s],next:null}},[e]);return o`<h1>${c.views.bulk}</h1>
		<${A} asked=${t} list=${e&&"bulk"}>
			${({rows:n})=>o`
				<${Lr} operations=${n} />
				<${pe} asked=${t} load=${zn} text=${c.older} />
			`}
		<//>`}var zn=(e,t)=>$e("/bulk",R.value,e,t);function Lr({operations:e}){let t=Dr(Q(e,"bulk",({id:n})=>n));return t.length===0?o`<${D} title=${c.bulk.empty} hint=${c.bulk.emptyHint} />`:o`<ul class="stack">
		${t.map(n=>o`<${Pr} key=${n.id} operation=${n} />`)}
	</ul>`}function Dr(e){if(T.value.id||_.value)return e;let t=e[0]?.createdAt??"";return[...[...de.value.recent.bulk.values()].filter(({createdAt:s})=>s>t).sort((s,r)=>r.createdAt.localeCompare(s.createdAt)),...e]}function Pr({operation:e}){let{id:t,action:n,filter:s,status:r,total:a,done:i,refused:l,reason:$,requestedBy:u,createdAt:d,refusals:p}=e,f=c.bulk,h={title:f.abort,text:f.abortHint,action:f.abort},m=()=>Ke(h,`/bulk/${t}/abort`,f.abort);return o`<li class="card stack">
		<div class="screen-head">
			<h2>${c.bulk.title(n)}</h2>
			<span class="id">${fe(t)}</span> <${j} status=${r} />
			${r==="running"&&E.value&&o`
				<div class="actions"><button class="danger" onClick=${m}>${c.bulk.abort} …</button></div>
			`}
		</div>
		<p class="command"><code>${s.join("  ")}</code></p>
		<progress max=${Math.max(a,1)} value=${a===0?1:i+l}
			aria-label=${c.bulk.running(e)}>
		</progress>
		<p>${c.bulk.running(e)}</p>
		<p class="quiet"><bdi>${$}</bdi> · <bdi>${u}</bdi> · <${O} at=${d} /></p>
		${n!=="cancel"&&!_.value&&o`<${Fr} operation=${e} isOpen=${T.value.id===t} />`}
		${p.length>0&&o`<ul class="refused">
			${p.slice(0,10).map(({run:w,why:v})=>o`<li key=${w}>${c.bulk.one(w,v)}</li>`)}
		</ul>`}
	</li>`}var Hr=10,qr=3e3;function Fr({operation:e,isOpen:t}){let n=g(t);return o`<details open=${t} onToggle=${({target:r})=>n.value=r.open}>
		<summary>${c.bulk.launched}</summary>
		${n.value&&o`<${Jr} operation=${e} />`}
	</details>`}function Jr({operation:{id:e,done:t}}){let n=x(r=>k(`/bulk/${e}/runs`,[["limit",Hr]],r),[e],{newer:[t],everyMs:qr});return o`<${A} asked=${n} lines=${3}>${({data:r,meta:a})=>o`<div class="stack">
		${r.length===0&&o`<p class="quiet">${c.bulk.none}</p>`}
		<p>
			${Object.entries(a.counts??{}).filter(([,i])=>i>0).map(([i,l])=>o`
				<span class="tag" key=${i}>${c.bulk.went(l,i)}</span>${" "}
			`)}
		</p>
		${a.hasMore&&o`<p class="quiet">${c.bulk.newest(r.length)}</p>`}
		${r.length>0&&o`<${le} runs=${r} />`}
	</div>`}<//>`}function st({action:e,words:t,onClose:n}){let s={action:e,filter:Cn(t)},r=x(()=>N("/bulk",{...s,dryRun:!0}),[]);return o`<${Ge} title=${c.bulk.title(e)} onClose=${n} className="wide">
		<p class="command"><code>${s.filter.join("  ")}</code></p>
		<${A} asked=${r}>
			${({data:a})=>o`
				<${Br} preview=${a} /><${Wr} order=${s} count=${a.count} onClose=${n} />
			`}
		<//>
	<//>`}var Ur=5;function Br({preview:e}){let{count:t,position:n,sample:s,refused:r}=e;return o`<div class="stack">
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
		${s.length>0&&o`<div><h3>${c.bulk.sample}</h3><${le} runs=${s.slice(0,Ur)} isBrief /></div>`}
	</div>`}function Wr({order:e,count:t,onClose:n}){let s=g(""),r=g(""),a=g(""),i=g(""),l=M({body:"",key:""}),$=t>0&&s.value.trim()!==""&&(!jn||a.value===xn.name);return o`<form class="stack" onSubmit=${async d=>{d.preventDefault();try{let p=r.value.trim()&&JSON.parse(r.value),f={...e,reason:s.value,...p&&{patch:{parameters:p}}},h=JSON.stringify(f);l.current.body!==h&&(l.current={body:h,key:se()});let{data:m}=await N("/bulk",f,{"Idempotency-Key":l.current.key});B(c.bulk.title(e.action)),n(),J({view:"bulk",id:m.id})}catch(p){i.value=p instanceof SyntaxError?c.jobs.badJson:G(p).message}}}>
		<label>${c.reason}<input required maxlength="1000" value=${s.value} onInput=${W(s)} /></label>
		${e.action==="rerun"&&o`
			<label>${c.bulk.patch}<textarea rows="3" placeholder="{}" value=${r.value} onInput=${W(r)}></textarea></label>
		`}
		<${Mn} name=${a} />
		${i.value&&o`<p class="problem" role="alert">${i.value}</p>`}
		<div class="actions">
			<button type="button" onClick=${n}>${c.leaveIt}</button>
			<button class="danger" disabled=${!$}>${c.bulk.go(c.bulk.actions[e.action],t)}</button>
		</div>
	</form>`}var Zn=/[\x00-\x08\x0b-\x1f\x7f-\x9f]/,Vr=new RegExp([/\x1b\[([0-?]*)[ -/]*([@-~])/,/\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?/,/\x1b[PX^_][^\x1b]*(?:\x1b\\)?/,/\x1b[ -/]*[0-~]/,/[\x00-\x08\x0b-\x1f\x7f-\x9f]/,/[^\x00-\x08\x0b-\x1f\x7f-\x9f]+/].map(({source:e})=>e).join("|"),"g"),ot={foreground:null,background:null,is:new Set,classes:""},Gr=[];function es(e,t){if(t===ot&&!Zn.test(e)&&!e.includes("	"))return{text:e.length>1e4?e.slice(0,1e4):e,spans:Gr,style:t};let n=new qt(t);for(let[s,r,a]of e.matchAll(Vr))a?n.control(a,r):s==="\r"?n.column=0:s==="\b"?n.column=Math.max(n.column-1,0):Zn.test(s)||n.write(s);return{text:n.characters.join(""),spans:n.spans(),style:n.style}}var qt=class{constructor(t){this.style=t,this.column=0,this.characters=[],this.classes=[]}write(t){for(let n of t)if(n==="	")do this.#e(" ");while(this.column%8!==0&&this.column<1e4);else this.#e(n)}#e(t){if(!(this.column>=1e4)){for(;this.characters.length<this.column;)this.characters.push(" "),this.classes.push("");this.characters[this.column]=t,this.classes[this.column]=this.style.classes,this.column+=1}}control(t,n){let s=Number.parseInt(n,10)||0;t==="m"&&!Kr.test(n)?this.style=Yr(this.style,n):t==="K"?this.#t(s):t==="C"?this.column=Math.min(this.column+(s||1),1e4):t==="D"?this.column=Math.max(this.column-(s||1),0):t==="G"&&(this.column=Math.min((s||1)-1,1e4))}#t(t){let n=t===0?this.column:0;if(t===1){let s=Math.min(this.column+1,this.characters.length);this.characters.fill(" ",0,s),this.classes.fill("",0,s)}else this.characters.length=Math.min(n,this.characters.length),this.classes.length=this.characters.length}spans(){let t=[],n=0;for(let[s,r]of this.characters.entries()){let a=this.classes[s],i=t.at(-1),l=n+r.length;a&&i?.to===n&&i.classes===a?i.to=l:a&&t.length<500&&t.push({from:n,to:l,classes:a}),n=l}return t}},Kr=/[<=>?]/,Xn={1:"bold",2:"dim",3:"italic",4:"underline",7:"inverse",9:"strike"},Qn={21:["bold"],22:["bold","dim"],23:["italic"],24:["underline"],27:["inverse"],29:["strike"]};function Yr(e,t){let{foreground:n,background:s}=e,r=new Set(e.is),a=t.split(";");for(let i=a.shift();i!==void 0;i=a.shift()){let[l,...$]=i.split(":").map(Number);if(l===0)n=s=null,r=new Set;else if(l===38||l===48){let u=$.length>0?ts($[0],$.slice($[0]===2?-3:1)):zr(a);l===38?n=u:s=u}else if(l===4&&$[0]===0)r.delete("underline");else if(Xn[l])r.add(Xn[l]);else if(Qn[l])for(let u of Qn[l])r.delete(u);else l===39?n=null:l===49?s=null:rt(l,30)||rt(l,90)?n=l%10:(rt(l,40)||rt(l,100))&&(s=l%10)}return n===null&&s===null&&r.size===0?ot:{foreground:n,background:s,is:r,classes:Xr(n,s,r)}}var rt=(e,t)=>e>=t&&e<t+8;function zr(e){let t=Number(e.shift());return ts(t,e.splice(0,t===2?3:1).map(Number))}function ts(e,t){if(e===2)return Ht(t);let[n=0]=t;if(e!==5)return null;if(n<16)return n%8;if(n>=232)return Ht([1,1,1].map(r=>r*(8+10*(n-232))));let s=n-16;return Ht([Math.floor(s/36),Math.floor(s/6)%6,s%6].map(r=>r*51))}var Zr=48;function Ht([e=0,t=0,n=0]){let s=Math.max(e,t,n),r=Math.min(e,t,n);if(s-r<Zr)return s<128?0:7;let a=(s+r)/2;return(e>a?1:0)+(t>a?2:0)+(n>a?4:0)}function Xr(e,t,n){let s=n.has("inverse")?e??7:t,r=s===null?e!==null&&`ansi-${e}`:`ansi-on-${s}`,a=[...n].filter(i=>i!=="inverse").map(i=>`ansi-${i}`);return[r,...a].filter(Boolean).join(" ")}var Qr=1e5,eo=1e4,ns=1e5,os=/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?[Zz] /,ye=class{dropped=0;#e=[];#t=[];#r=new Map;#s=new Set;#o=ot;#n="";#a=!1;get end(){return this.finished+(this.#n!==""&&!this.#a?1:0)}get finished(){return this.dropped+this.#e.length}add(t){let n=(this.#n+t).split(`
`);this.#n=to(n.pop()??"");for(let r of n)this.#i(r);let s=this.#e.length-Qr;s>eo&&this.#l(s)}finish(){this.#n!==""&&!this.#a&&this.#i(this.#n),this.#a=!0}line(t){return t>=this.finished?ss(this.#n,this.#o):{text:this.#e[t-this.dropped]??"",spans:this.#r.get(t)??[],isError:this.#s.has(t)}}errors(){return this.end>this.finished&&this.line(this.finished).isError?[...this.#s,this.finished]:[...this.#s]}width(t){return t>=this.finished?rs(this.line(t).text):this.#t[t-this.dropped]}#i(t){let{text:n,spans:s,style:r,isError:a}=ss(t,this.#o);this.#o=r,a&&this.#s.add(this.finished),s.length>0&&this.#r.set(this.finished,s),this.#e.push(n),this.#t.push(rs(n))}#l(t){this.#e.splice(0,t),this.#t.splice(0,t),this.dropped+=t;for(let n of[this.#r,this.#s])for(let s of n.keys()){if(s>=this.dropped)break;n.delete(s)}}};function ss(e,t){let n=os.exec(e)?.[0]??"",s=es(e.slice(n.length),t),r=s.spans.map(a=>({...a,from:a.from+n.length,to:a.to+n.length}));return{...s,text:n.toUpperCase()+s.text,spans:r,isError:n.endsWith("z ")}}function to(e){if(e.length<=ns)return e;let t=os.exec(e)?.[0]??"",n=e.slice(Math.max(e.lastIndexOf("\r")+1,t.length));return(t+n).slice(0,ns)}var no=/^[ -~]*$/,so=new RegExp("[\\u1100-\\u115f\\u2e80-\\ua4cf\\uac00-\\ud7a3\\uf900-\\ufaff\\ufe30-\\ufe6f\\uff00-\\uff60\\uffe0-\\uffe6]|\\p{Emoji_Presentation}|[\\u{20000}-\\u{3fffd}]","gu");function rs(e){if(no.test(e))return e.length;let t=e.match(so)?.length??0;return[...e].length+t}function as(e,t,n,s=null){let r=s===null?e.end-e.dropped:s.length,a=s===null?ro(e.dropped,r):oo(s,e.end);if(t===null)return{count:r,begins:l=>l,...a};let i=new Float64Array(r+1);for(let l=0;l<r;l+=1){let $=a.numberAt(l),u=n.get($)??Math.max(Math.ceil(e.width($)/t),1);i[l+1]=i[l]+u}return{count:r,begins:l=>i[l],...a}}function ro(e,t){return{numberAt:n=>e+n,indexOf:n=>Math.min(Math.max(n-e,0),t)}}function oo(e,t){return{numberAt:n=>e[n]??t,indexOf:n=>{let s=0,r=e.length;for(;s<r;){let a=s+r>>1;e[a]<n?s=a+1:r=a}return s}}}function at(e,{count:t,begins:n}){let s=0,r=Math.max(t-1,0);for(;s<r;){let a=Math.ceil((s+r)/2);n(a)<=e?s=a:r=a-1}return s}function it(e){return e===""?null:new RegExp(e.replace(/[\\^$.*+?()[\]{}|]/g,"\\$&"),"gi")}var Ae=class{hits=[];#e=0;#t;constructor(t){this.#t=new RegExp(t.source,"i")}advance(t,n){for(this.hits[0]<t.dropped&&(this.hits=this.hits.filter(s=>s>=t.dropped)),this.#e=Math.max(this.#e,t.dropped);this.#e<t.finished;){if(this.#e%256===0&&n())return!1;this.#t.test(t.line(this.#e).text)&&this.hits.push(this.#e),this.#e+=1}return!0}};function is(e,t,n,s){if(e.length===0)return null;let r=t??(s===1?n.first-1:n.last+1),a=e.findIndex(l=>l>r);if(s===1)return a===-1?e[0]:e[a];let i=e.findLastIndex(l=>l<r);return i===-1?e[e.length-1]:e[i]}function Pe({text:e,spans:t},n){let r=(n===null?[]:[...e.matchAll(n)]).map(({index:d,0:{length:p}})=>({from:d,to:d+p})),a=[0,e.length,...[...t,...r].flatMap(({from:d,to:p})=>[d,p])],i=[...new Set(a)].sort((d,p)=>d-p),l=d=>{let p=0;return f=>{for(;d[p]?.to<=f;)p+=1;return d[p]?.from<=f?d[p]:null}},$=l(t),u=l(r);return i.slice(1).map((d,p)=>{let f=i[p];return{text:e.slice(f,d),classes:$(f)?.classes??"",isHit:u(f)!==null}})}var re=20,ls=20;function us({run:e}){let t=Object.fromEntries(T.value.words),n=cs(t.attempt,e.attempt)??e.attempt,s=cs(t.line,1/0),r=t.find??"",{log:a,version:i,isGrowing:l,error:$}=bo(e.id,n),u=c.run.log,d=({target:p})=>U({words:[["attempt",p.value]]});return o`<section class="card stack log">
		${_.value&&o`<p class="note">${c.past.notHere}</p>`}
		${e.attempt>1&&o`<label class="inline">
			${c.run.attempts}
			<select value=${n} onChange=${d}>
				${Array.from({length:e.attempt},(p,f)=>o`
					<option key=${f} value=${f+1}>${c.run.attempt(f+1)}</option>
				`)}
			</select>
		</label>`}
		${$&&o`<${En} error=${$} />`}
		${a.dropped>0&&o`<p class="note">${u.cut}</p>`}
		${a.end===0&&!$?o`<p class="quiet">${l?c.loading:u.empty}</p>`:o`<${ao} log=${a} version=${i} isGrowing=${l} attempt=${n} linked=${s} find=${r}
			save=${()=>P(()=>mo(e.id,n))} key=${n} />`}
	</section>`}function cs(e,t){return/^[1-9][0-9]{0,8}$/.test(e??"")&&Number(e)<=t?Number(e):null}function ao({log:e,version:t,isGrowing:n,attempt:s,linked:r,find:a,save:i}){let l=c.run.log,$=g(a),u=g(null),d=K(()=>it($.value),[$.value]),p=K(()=>e.errors(),[e,t]),f=g(!1),h=fo(e,t,d),m=f.value?h.filter(y=>e.line(y).isError):h,w=u.value??(r===null?null:r-1),v=$o(e,t,f.value?p:null,w,r===null),b=M(null);F(()=>{if(r===null||b.current===r||r>v.layout.numberAt(v.layout.count))return;b.current=r;let{first:y,last:q}=v.visible();(r-1<y||r-1>q)&&v.show(r-1)},[r,t]);let H=y=>{let q=is(m,u.value,v.visible(),y);q!==null&&(u.value=q,v.show(q))},oe=y=>{u.value=null,W($)(y)},te=y=>{y.preventDefault(),H(1)},V=({target:y})=>f.value=y.checked,_e=({target:y})=>Le.value=y.checked,Re=y=>{y.key!=="Enter"||!y.shiftKey||(y.preventDefault(),H(-1))},Ce=u.value===null?-1:m.indexOf(u.value),Rt=v.sticks.value?l.follows:l.grows;return o`<form class="group" role="search" onSubmit=${te}>
			<input type="search" aria-label=${l.search} placeholder=${l.search} value=${$.value}
				onInput=${oe} onKeyDown=${Re} />
			<button type="button" aria-label=${l.previous} title=${l.previous} disabled=${m.length===0}
				onClick=${()=>H(-1)}>↑</button>
			<button type="button" aria-label=${l.next} title=${l.next} disabled=${m.length===0}
				onClick=${()=>H(1)}>↓</button>
			${d&&o`<span class="quiet" role="status">
				${Ce===-1?l.found(m.length):l.hit(Ce+1,m.length)}</span>`}
			<span class="quiet">${l.lines(e.end)}${n?` \xB7 ${Rt}`:""}</span>
			<label class="check"><input type="checkbox" checked=${f.value} disabled=${p.length===0}
				onChange=${V} />${l.errors(p.length)}</label>
			<label class="check"><input type="checkbox" checked=${Le.value}
				onChange=${_e} />${l.wrap}</label>
			<button type="button" disabled=${v.sticks.value} onClick=${v.toEnd}>${l.latest}</button>
			<button type="button" onClick=${i}>${l.download}</button>
		</form>
		<div class="log-box ${Le.value?"is-wrapped":""}" ref=${v.element} tabindex="0" role="log"
			aria-live="off" aria-label=${c.run.tabs.log} ...${v.handlers}>
			<div class="line is-ruler" aria-hidden="true"><span class="line-number"></span><span class="line-stream"></span><span class="line-text"
				><span>${"0".repeat(ps)}</span></span></div>
			<${io} log=${e} version=${t} box=${v} pattern=${d} attempt=${s}
				current=${u.value} linked=${r} />
		</div>`}function io({log:e,box:t,pattern:n,attempt:s,current:r,linked:a}){let{begins:i,count:l}=t.layout,{top:$,height:u}=t.view.value,d=at(Math.floor($/re)-ls,t.layout),p=Math.min(at(Math.ceil(($+u)/re)+ls,t.layout)+1,l),f=Array.from({length:p-d},(v,b)=>t.layout.numberAt(d+b)),h=M(null);ve(()=>h.current?t.measure(h.current):void 0);let m=v=>({...T.value,words:[["attempt",s],["line",v+1]]}),w=v=>v===r?"is-current":v+1===a?"is-linked":"";return o`<svg class="spacer" width="1" height=${i(d)*re} aria-hidden="true"></svg>
		<div ref=${h}>
			${f.map(v=>({number:v,line:e.line(v)})).map(({number:v,line:b})=>o`
				<div class="line ${w(v)}" key=${v} data-number=${v}>
					<${S} to=${m(v)} class="line-number" tabindex="-1" aria-label=${c.run.log.line(v+1)}>
						${v+1}<//>
					<${ds} isError=${b.isError} />
					<span class="line-text">${Pe(b,n).map(lt)}</span>
				</div>`)}
		</div>
		<svg class="spacer" width="1" height=${(i(l)-i(p))*re} aria-hidden="true"></svg>`}function $s({text:e}){let t=K(()=>lo(e),[e]);return Array.from({length:t.end},(n,s)=>{let r=t.line(s);return o`<${ds} isError=${r.isError} />${Pe(r,null).map(lt)}${`
`}`})}function ds({isError:e}){return e?o`<span class="line-stream" role="img" aria-label="stderr" title="stderr">!</span>`:o`<span class="line-stream"></span>`}function lo(e){let t=new ye;return t.add(e),t.finish(),t}function lt({text:e,classes:t,isHit:n}){let s=t?o`<span class=${t}>${e}</span>`:e;return n?o`<mark>${s}</mark>`:s}var ps=100,co=200,uo=["ArrowUp","PageUp","Home"];function $o(e,t,n,s,r){let a=M(null),i=g({top:0,height:480,columns:80}),l=g(r),$=M(0),u=M({first:0,last:0}),d=M({before:0,now:0,at:0}),p=M({columns:null,rows:new Map}),f=g(0),h=Le.value?i.value.columns:null;p.current.columns!==h&&(p.current={columns:h,rows:new Map});let m=K(()=>as(e,h,p.current.rows,n),[e,t,n,h,f.value]),w=()=>{let{top:y,height:q}=i.value,he=ke=>m.numberAt(at(ke,m));return{first:he(Math.ceil(y/re)),last:he(Math.floor((y+q)/re)-1)}},v=()=>a.current.scrollHeight-a.current.clientHeight,b=()=>performance.now()-d.current.at<co?d.current.before:v(),H=()=>{let{scrollTop:y,clientHeight:q}=a.current;i.value={...i.value,top:y,height:q},u.current=w()},oe=y=>m.begins(m.indexOf(y))*re,te=y=>{a.current.scrollTop=y,$.current=a.current.scrollTop,H()},V=y=>{l.value=!1,te(Math.max(oe(y)-a.current.clientHeight/2,0))},_e=()=>{l.value=!0,te(a.current.scrollHeight)},Re=()=>{a.current.scrollTop>0&&(l.value=!1)},Ce=()=>{let{scrollTop:y}=a.current;return y<$.current&&y<v()-re},Rt=()=>{let{scrollTop:y}=a.current;Ce()?l.value=!1:y>$.current&&y>b()-re&&(l.value=!0),$.current=y,H()};return ve(()=>{d.current={before:d.current.now,now:v(),at:performance.now()},l.value&&Ce()&&(l.value=!1),l.value&&_e()},[t,n===null,h,f.value,i.value.height]),ve(()=>{if(l.value)return;let{first:y,last:q}=u.current;s!==null&&s>=y&&s<=q?V(s):te(oe(y))},[n===null,h]),ve(()=>{let y=new ResizeObserver(()=>{let q=a.current.querySelector(".is-ruler .line-text"),he=q.firstElementChild.getBoundingClientRect().width/ps,{clientHeight:ke}=a.current;i.value={...i.value,height:ke,columns:Math.max(Math.floor(q.clientWidth/he),1)},l.peek()&&_e()});return y.observe(a.current),()=>y.disconnect()},[]),{element:a,view:i,sticks:l,layout:m,toEnd:_e,visible:w,show:V,measure:y=>{if(h===null)return;let q=!1;for(let he of y.children){let ke=Number(he.dataset.number),pn=m.indexOf(ke),fn=Math.max(Math.round(he.offsetHeight/re),1);fn!==m.begins(pn+1)-m.begins(pn)&&(p.current.rows.set(ke,fn),q=!0)}q&&(f.value+=1)},handlers:{onScroll:Rt,onWheel:({deltaY:y})=>y<0&&Re(),onTouchMove:Re,onKeyDown:({key:y})=>uo.includes(y)&&Re()}}}var po=8;function fo(e,t,n){let s=K(()=>n&&new Ae(n),[e,n]),r=g(0);return F(()=>{if(s===null)return;let a,i=()=>{let l=performance.now(),$=s.advance(e,()=>performance.now()-l>po);r.value+=1,$||(a=setTimeout(i))};return i(),()=>clearTimeout(a)},[s,t]),r.value>=0&&s!==null?s.hits:[]}async function mo(e,t){let n=[];for await(let{piece:r}of be(`/job-runs/${e}/logs`,[["attempt",t]]))n.push(r);let s=document.createElement("a");s.href=URL.createObjectURL(new Blob(n,{type:"text/plain"})),s.download=`${e}-${t}.log`,s.click(),URL.revokeObjectURL(s.href)}var ho=1e3,vo=80;function bo(e,t){let n=()=>({log:new ye,version:0,isGrowing:!0,error:null}),s=g(n());return F(()=>{let r=new AbortController;s.value=n();let{log:a}=s.value,i=l=>s.value={...s.value,version:s.value.version+1,...l};return go(e,t,a,r.signal,i),()=>r.abort()},[e,t]),s.value}async function go(e,t,n,s,r){let a=0,i,l=()=>{i=void 0,s.aborted||r({error:null})};for(;!s.aborted;){try{let $=[["attempt",t],["offset",a],["follow",!0]];for await(let{piece:d,bytes:p}of be(`/job-runs/${e}/logs`,$,s))n.add(d),a+=p,i??=setTimeout(l,vo);clearTimeout(i),i=void 0;let u=await wo(e,t,s);if(s.aborted||(u&&n.finish(),r({error:null,isGrowing:!u}),u))return}catch($){if(s.aborted)return;let u=G($),d=u.status!==void 0&&u.status>=400&&u.status<500;if(r(d?{error:u,isGrowing:!1}:{error:u}),d)return}await new Promise($=>setTimeout($,ho))}}async function wo(e,t,n){let{data:{run:s}}=await k(`/job-runs/${e}`,[],n);return s.completedAt!==null||s.attempt>t}var yo=1e3,ko=4,xo=3;function fs({runs:e}){let t=c.failures.logs,n=g(""),s=g(null),r=M(null);return F(()=>()=>r.current?.abort(),[]),o`<section class="stack">
		<form class="group" role="search" onSubmit=${i=>{i.preventDefault(),r.current?.abort(),r.current=new AbortController,So(e,n.value,r.current.signal,l=>s.value=l)}}>
			<input type="search" required aria-label=${t.search} placeholder=${t.search} value=${n.value}
				onInput=${W(n)} />
			<button>${t.go}</button>
		</form>
		${s.value&&o`<${Oo} ...${s.value} count=${e.length} />`}
	</section>`}function Oo({sought:e,results:t,count:n}){let s=c.failures.logs,r=t.filter(l=>l!==void 0),a=r.filter(({hits:l})=>l),i=r.filter(({hits:l})=>l===null).length;return o`<p class="quiet" role="status">
			${s.searched(a.length,r.length,n)}${i>0&&` ${s.unread(i)}`}
		</p>
		<ul class="stack found-logs">
			${a.map(({run:l,hits:$,lines:u})=>o`<li key=${l.id}>
				<p><${L} id=${l.id} /> · <${S}
					to=${{view:"run",id:l.id,tab:"log",words:[["attempt",l.attempt],["find",e]]}}>
					${s.hits($??0)}<//></p>
				<pre class="json" tabindex="0"><code>${u.map(d=>o`${d.map(lt)}${`
`}`)}</code></pre>
			</li>`)}
		</ul>`}async function So(e,t,n,s){let r=it(t);if(!r)return;let a=Array.from(e,()=>{}),i=0,l=async()=>{for(;i<e.length&&!n.aborted;){let $=i;i+=1;let u=await Ao(e[$],r,n);if(n.aborted)return;a[$]=u,s({sought:t,results:[...a]})}};s({sought:t,results:a}),await Promise.all(Array.from({length:ko},l))}async function Ao(e,t,n){if(e.attempt===0)return{run:e,hits:0,lines:[]};let s=new ye;try{let i=[["attempt",e.attempt],["last",yo]];for await(let{piece:l}of be(`/job-runs/${e.id}/logs`,i,n))s.add(l)}catch{return{run:e,hits:null,lines:[]}}s.finish();let r=new Ae(t);r.advance(s,()=>!1);let{hits:a}=r;return{run:e,hits:a.length,lines:a.slice(0,xo).map(i=>Pe(s.line(i),t))}}var jo=["open","resolved","ignored"];function Mo(){let{words:e,id:t}=T.value,n=Object.fromEntries(e),s=n.status??"open",r=JSON.stringify([t,s,n.job,_.value]),a=M({list:r,count:0});a.current.list!==r&&(a.current={list:r,count:0});let i=x(u=>vn(d=>ms(t,s,n.job,u,d),a.current.count),[t,s,n.job]);I("failures",i.again);let l=u=>U({id:"",words:[["status",u],...e.filter(([d])=>d!=="status")]}),$=async u=>{let d=await ms("",s,n.job,void 0,u);return a.current.count=Math.max(a.current.count,i.answer?.rows.length??0)+d.rows.length,d};return o`<div class="screen-head">
			<h1>${c.failures.title}</h1>
			<div class="group" role="group" aria-label=${c.runs.columns.status}>
				${jo.map(u=>o`
					<button key=${u} aria-pressed=${!t&&u===s} onClick=${()=>l(u)}>${u}</button>
				`)}
			</div>
		</div>
		<${A} asked=${i} list=${t&&"failures"}>
			${({rows:u})=>o`<${To} key=${r} groups=${u} asked=${i} load=${$} />`}
		<//>`}async function ms(e,t,n,s,r=null){return e?{rows:[await Eo(e,s)],next:null}:$e("/failures",[["status",t],["job",n],...R.value],r,s)}async function Eo(e,t){if(_.value==="")return(await k(`/failures/${e}`,[],t)).data;let s=(await ne("/failures",R.value,t)).find(({fingerprint:r})=>r===e);if(!s)throw new mn(404,"failure_not_found",c.failures.notThen);return s}function To({groups:e,asked:t,load:n}){let s=_o(e),r=No(s);return s.length===0?o`<${D} title=${c.failures.empty} hint=${c.failures.emptyHint} />`:o`<ul class="stack">
			${s.map(a=>o`
				<${Do} key=${a.fingerprint} group=${a} trend=${r.get(a.fingerprint)} again=${t.again}
					isOpen=${T.value.id===a.fingerprint} />
			`)}
		</ul>
		<${pe} asked=${t} load=${n} />`}function _o(e){let t=M([]);t.current=Pn(t.current,e.map(({fingerprint:r})=>r));let n=new Map(t.current.map((r,a)=>[r,a])),s=({fingerprint:r})=>n.get(r)??0;return e.toSorted((r,a)=>s(r)-s(a))}var Ro=864e5,ct=18e5,Co=1e4,hs=100;function No(e){let t=e.map(({fingerprint:s})=>s);return x(s=>Io(t,s),[t.toSorted().join(","),Ve.value],{everyMs:Co}).answer??new Map}async function Io(e,t){if(_.value||e.length===0)return new Map;let n=[];for(let u=0;u<e.length;u+=hs)n.push(e.slice(u,u+hs));let s=Math.ceil(We.value/ct)*ct,[r,a]=[s-Ro,s].map(u=>new Date(u).toISOString()),i={from:r,to:a,bucketMs:ct},l=await Promise.all(n.map(u=>k("/failures/over-time",[["group",u.join(",")],["from",r],["bucketMs",ct]],t))),$=({fingerprint:u,since:d,buckets:p})=>{let f=p.reduce((h,{failures:m})=>h+m,0);return[u,{buckets:Fn(p,i),failed:f,isWhole:Date.parse(d)<=Date.parse(r),since:d}]};return new Map(l.flatMap(({data:u})=>u).map($))}var Lo={open:["resolve","ignore"],resolved:["reopen"],ignored:["reopen"]},Ft=ue("");function Do({group:e,trend:t,again:n,isOpen:s}){let r=g(s),{fingerprint:a,title:i,job:l,reason:$,frame:u,status:d,count:p,recovered:f,firstAt:h,lastAt:m,affectedVersions:w,sampleRun:v}=e,b=c.failures,H=V=>P(()=>N(`/failures/${a}/${V}`).then(n),b.done[V]),oe=({target:V})=>r.value=V.open,te=[["failureGroup",a]];return o`<li class="card stack">
		<div class="screen-head">
			<${j} status=${d} />
			<h2 class="failure-title">${i}</h2>
			${E.value&&o`<div class="actions">
				${d==="open"&&o`
					<button onClick=${()=>Ft.value=a}>${b.retryAll} …</button>
				`}
				${Lo[d].map(V=>o`<button key=${V} onClick=${()=>H(V)}>${b[V]}</button>`)}
			</div>`}
		</div>
		<p>
			<${Z} slug=${l} /> · <code>${$}</code> ${u&&o`· <code>${u}</code>`} ·${" "}
			${b.versions(w)}
		</p>
		<p>
			<strong>${b.times(p)}</strong>${f>0&&`, ${b.recovered(f)}`} ·${" "}
			${b.first} <${O} at=${h} /> · ${b.last} <${O} at=${m} /> · ${b.sample}:${" "}
			<${L} id=${v} /> · <${S} to=${{view:"runs",words:te}}>${c.runs.title}<//>
		</p>
		${t&&o`<p><${nt} buckets=${t.buckets} /> <small>${t.isWhole?b.day(t.failed):b.since(t.failed,ee(t.since))}</small></p>`}
		<details open=${s} onToggle=${oe}>
			<summary>${b.details}</summary>
			${r.value&&o`<${qo} group=${e} />`}
		</details>
		${Ft.value===a&&o`
			<${st} action="retry" words=${[["job",l],...te,["retried","false"]]} onClose=${()=>Ft.value=""} />
		`}
	</li>`}var Po=50,vs=30,Ho=1e3;function qo({group:e}){let{fingerprint:t,lastAt:n}=e,s=[["failureGroup",t],["limit",Po],...R.value],r=x(async a=>(await k("/job-runs",s,a)).data.map(({run:i})=>i),[t],{newer:[n]});return o`<${A} asked=${r}>
		${a=>o`<${Fo} runs=${a} lastAt=${Date.parse(n)} />`}
	<//>`}function Fo({runs:e,lastAt:t}){let n=c.failures;if(e.length===0)return o`<${D} title=${n.noRuns} hint=${n.noRunsHint} />`;let s=Math.min(...e.map(({completedAt:i})=>i?Date.parse(i):t)),r=Math.max((t-s)/(vs-1),Ho),a=Jn(e,t,vs,r);return o`<div class="stack">
		${e.length>1&&o`<${_n} buckets=${a} text=${n.trend(e.length,C(t-s))}
			told=${({all:i})=>n.times(i)} />`}
		<${le} runs=${e.slice(0,10)} isBrief />
		<${fs} runs=${e} />
	</div>`}function ut(e){let t=c.jobs.limitOf,{maxConcurrentRuns:n,concurrencyKey:s,concurrencyLimit:r,rateLimit:a,fairnessKey:i,workerLabels:l}=e,$=Object.entries(l??{}).map(([u,d])=>`${u}=${d}`);return[n&&t.runs(n),s&&t.key(s,r),a&&t.rate(a.limit,C(a.periodMs)),i&&t.turns(i),...$].filter(u=>typeof u=="string")}var Jo=["id","slug","version","createdAt","updatedAt","paused"];function gs(e){return Object.fromEntries(Object.entries(e).filter(([t])=>!Jo.includes(t)))}function ws(e,t){let n=[...new Set([...Object.keys(e),...Object.keys(t)])],s=r=>JSON.stringify(e[r])!==JSON.stringify(t[r]);return Object.fromEntries(n.filter(s).map(r=>[r,t[r]??null]))}var Uo=["job_definition.registered","job_definition.registered_again"];function ys(e){let t={};return e.map(({position:s,type:r,occurredAt:a,actor:i,data:l})=>{let $=t;Uo.includes(r)?t=l.spec??{}:r==="job_definition.revised"&&(t={...t,...l.changes});let u=r==="job_definition.registered"?[]:Jt($,t),d=r.replace("job_definition.","").replaceAll("_"," "),{version:p,reason:f=null}=l;return{position:s,kind:d,version:p,at:a,by:i,reason:f,changes:u}}).reverse()}var Bo=new Set(["id","createdAt","updatedAt","scheduledAt","startedAt","completedAt","logsUrl","idempotencyKey"]);function Jt(e,t){let n=[],s=new Set([...Object.keys(e),...Object.keys(t)]);for(let r of s)Bo.has(r)||ks(r,e[r],t[r],n);return n}function ks(e,t,n,s){if(bs(t)&&bs(n)&&Array.isArray(t)===Array.isArray(n)){let r=new Set([...Object.keys(t),...Object.keys(n)]);for(let a of r)ks(`${e}.${a}`,t[a],n[a],s)}else Object.is(t,n)||s.push({path:e,before:t,after:n})}var bs=e=>typeof e=="object"&&e!==null;var Wo=["string","integer","number","boolean"];function Ut(e){let t=$t("",e??{},!0,e??{},0);return t.kind==="json"&&Vo(e??{})?{...t,kind:"object",fields:[]}:t}var Vo=e=>Object.keys(e).every(t=>["type","title","description","$schema","$defs"].includes(t));function $t(e,t,n,s,r){let{schema:a,isNullable:i}=zo(Bt(t,s),s),l={name:e,title:e,hint:"",kind:"json",isRequired:n,isNullable:i};if(!a||r>6)return l;let{title:$=e,format:u,type:d}=a,p={...l,title:$,hint:[a.description,...Yo(a)].filter(Boolean).join(" \xB7 "),..."default"in a&&{initial:a.default},isSecret:a.writeOnly===!0||u==="password"},f=a.enum??("const"in a?[a.const]:void 0);if(f)return{...p,kind:"choice",choices:f};let h=a.oneOf??a.anyOf;if(h&&!a.properties)return Go(p,h,s,r);if(h||a.allOf||a.patternProperties||a.prefixItems)return p;if(d==="string")return{...p,kind:d,format:u,isLong:!u&&!((a.maxLength??1/0)<=100)};if(Wo.includes(d))return{...p,kind:d};if(a.properties){let m=a.required??[],w=Object.entries(a.properties).map(([v,b])=>$t(v,b,m.includes(v),s,r+1));return{...p,kind:"object",fields:w.sort((v,b)=>Number(b.isRequired)-Number(v.isRequired))}}return d==="array"&&a.items?{...p,kind:"array",item:{...$t("",a.items,!0,s,r+1),title:""}}:p}function Go(e,t,n,s){let r=t.map((a,i)=>{let l=$t(e.name,a,!0,n,s+1),$=(l.fields??[]).filter(({kind:d,choices:p})=>d==="choice"&&p?.length===1),u=l.title!==e.name&&l.title?l.title:$[0]?.choices?.[0]??Ko(l);return{...l,title:String(u||i+1)}});return{...e,kind:"union",options:r}}var Ko=({kind:e,choices:t})=>t?t.map(String).join(", "):e;function Yo(e){let t=($,u,d)=>$!==void 0&&u!==void 0?`${$} to ${u}${d}`:$!==void 0?`at least ${$}${d}`:u!==void 0?`at most ${u}${d}`:"",{minimum:n,maximum:s,exclusiveMinimum:r,exclusiveMaximum:a,multipleOf:i,pattern:l}=e;return[t(n,s,""),r!==void 0&&`more than ${r}`,a!==void 0&&`less than ${a}`,i!==void 0&&`a multiple of ${i}`,t(e.minLength,e.maxLength," characters"),t(e.minItems,e.maxItems," entries"),l!==void 0&&`as ${l}`].filter(Boolean)}function Bt(e,t,n=0){if(typeof e!="object"||e===null)return{};if(!e.$ref)return e;let r=(e.$ref==="#"?[]:e.$ref.startsWith("#/")?e.$ref.slice(2).split("/"):null)?.reduce((a,i)=>a?.[i.replaceAll("~1","/").replaceAll("~0","~")],t);return!r||n>6?null:{...Bt(r,t,n+1),...e,$ref:void 0}}function zo(e,t){if(!e)return{schema:null,isNullable:!1};let n=e.anyOf?"anyOf":"oneOf",s=Array.isArray(e.type)?e.type.map(u=>({type:u})):e[n];if(!s)return{schema:e,isNullable:!1};let r=s.filter(({type:u})=>u!=="null"),a=r.length<s.length,{[n]:i,type:l,...$}=e;return r.length===1?{schema:{...Bt(r[0],t),...$},isNullable:a}:{schema:{...$,anyOf:r},isNullable:a}}function je(e,t){if(t===void 0||e.kind==="choice"&&e.choices?.some(n=>Zo(n,t)))return!0;if(t===null)return e.isNullable||e.kind==="json";switch(e.kind){case"string":return typeof t=="string";case"integer":return Number.isSafeInteger(t);case"number":return typeof t=="number";case"boolean":return typeof t=="boolean";case"choice":return!1;case"array":return Array.isArray(t);case"union":return!!e.options?.some(n=>dt(n,t));case"object":return typeof t=="object"&&!Array.isArray(t);default:return!0}}var Zo=(e,t)=>JSON.stringify(e)===JSON.stringify(t);function dt(e,t){return t===void 0||!je(e,t)?!1:e.kind==="array"&&t!==null?t.every(n=>dt(e.item,n)):e.kind!=="object"||t===null?!0:(e.fields??[]).every(n=>t[n.name]===void 0?!n.isRequired:je(n,t[n.name]))}function xs({options:e=[]},t,n){if(e[n]&&dt(e[n],t))return n;let s=e.findIndex(r=>dt(r,t));return s===-1?n:s}function Wt({kind:e,isRequired:t,isNullable:n,initial:s}){let r=s!=null;if(!(!t&&!r))return n?null:e==="string"?"":void 0}var Os=(e,t)=>Object.keys(t??{}).filter(n=>!e.fields?.some(s=>s.name===n));function pt(e){if(e.initial!==void 0)return e.initial;switch(e.kind){case"choice":return e.choices?.[0];case"string":return"";case"integer":case"number":return 0;case"boolean":return!1;case"array":return[];case"object":return ft(e);case"union":return e.options?.[0]?pt(e.options[0]):null;default:return null}}function ft(e){let t=(e.fields??[]).map(n=>n.initial!==void 0?[n.name,n.initial]:n.isRequired&&n.kind==="choice"&&n.choices?.length===1?[n.name,n.choices[0]]:n.isRequired&&n.kind==="object"?[n.name,ft(n)]:[n.name,void 0]);return Object.fromEntries(t.filter(([,n])=>n!==void 0))}function He(e){return typeof e=="number"?Number.isInteger(e)&&!Number.isSafeInteger(e):typeof e=="object"&&e!==null&&Object.values(e).some(He)}function qe(e){try{let t=JSON.parse(e);return typeof t=="object"&&!Array.isArray(t)?t:null}catch{return null}}function Ss(e,t,n){let{[t]:s,...r}=e;return n===void 0?r:{...e,[t]:n}}function As(e,t){let n=`/parameters${t}`;return e.filter(s=>s.path===n).map(({message:s})=>s)}var Me=ue(new Map),mt={order:"",key:""};function ht({job:e,origin:t,onLaunched:n=()=>{}}){let s=c.jobs,r=`${e.slug} ${t?.id??""}`,a=g({message:"",issues:[]}),i=()=>Me.value.get(r)??Xo(e,t),{draft:l,options:$}=i(),u=h=>Me.value=new Map(Me.value).set(r,{...i(),...h}),d=()=>Me.value=new Map([...Me.value].filter(([h])=>h!==r)),p=()=>{d(),a.value={message:"",issues:[]}};return o`<form class="stack launch" onSubmit=${async h=>{h.preventDefault();let m=vt(l,e);if(a.value={message:m?"":s.badJson,issues:[]},!!m)try{let w={...ta($,t),parameters:m},v=`${e.slug} ${JSON.stringify(w)}`;mt.order!==v&&(mt={order:v,key:se()});let{data:b}=await N(`/jobs/${e.slug}/run`,w,{"Idempotency-Key":mt.key});mt={order:"",key:""},d(),B(s.launched(b.id)),n(),J({view:"run",id:b.id})}catch(w){let{message:v,issues:b=[]}=G(w);a.value={message:w instanceof SyntaxError?s.badContext:v,issues:b},Kt(h.target)}}} noValidate>
		${t&&o`<p class="quiet">${s.rerunOf} <${L} id=${t.id} /></p>`}
		<${Yt} job=${e} draft=${l} onChange=${h=>u({draft:h})}
			issues=${a.value.issues} isWrong=${a.value.message!==""} />
		<${na} options=${$} onChange=${h=>u({options:h})}
			issues=${a.value.issues} />
		${a.value.message&&o`<p class="problem" role="alert">${a.value.message}</p>`}
		<div class="actions">
			<button class="main">${s.launch}</button>
			${Me.value.has(r)&&o`<button type="button" onClick=${p}>${s.discard}</button>`}
		</div>
	</form>`}var Xo=(e,t)=>({draft:{typed:t?.parameters,raw:null},options:t?ea(t,e):{}}),Kt=e=>requestAnimationFrame(()=>e.querySelector("[aria-invalid]")?.focus());function vt({typed:e,raw:t},n){return t!==null?qe(t):e??{...ft(Ut(n?.parametersSchema)),...Qo(n?.defaultParameters)}}function Yt({job:e,draft:t,onChange:n,issues:s,isWrong:r}){let a=c.jobs,i=K(()=>Ut(e.parametersSchema),[e.parametersSchema]),l=i.kind==="union"||i.kind==="object"&&i.fields?.length,$=t.raw!==null||!l,u=vt(t,e),d=t.raw??JSON.stringify(u,null,2),p=u===null,f=({target:w})=>{w.checked?n({...t,raw:d}):p||n({typed:u,raw:null})},h=({target:w})=>n({...t,raw:w.value}),m=w=>n({typed:w,raw:null});return o`
		${l&&o`
			<label class="check"><input type="checkbox" checked=${$} disabled=${p} onChange=${f} />${a.raw}</label>
		`}
		${$?o`<textarea rows="10" aria-label=${c.run.parameters} aria-invalid=${r||p?"true":void 0}
				value=${d} onInput=${h}></textarea>`:o`<${i.kind==="union"?Cs:Ts} field=${i} value=${u} path="" common=${{id:"field"}}
				issues=${s} onChange=${m} />`}
		${He(u)&&o`<p class="note" role="status">${a.rounded}</p>`}
	`}function Qo(e){return Object.fromEntries(Object.entries(e??{}).filter(([,t])=>t!==null))}var Vt=["delayMs","timeoutMs","maxAttempts","priority","startDeadlineMs"];function ea(e,t){let{retryOf:n,rerunOf:s,...r}=e.context??{},a=(i,l)=>i==null||i===l?"":String(i);return{delayMs:a(e.delayMs,0),timeoutMs:a(e.timeoutMs,t.timeoutMs),maxAttempts:a(e.maxAttempts,t.retryPolicy?.maxAttempts??1),priority:a(e.priority,t.priority??0),startDeadlineMs:a(e.startDeadlineMs,t.startDeadlineMs),context:Object.keys(r).length>0?JSON.stringify(r,null,2):""}}function ta(e,t){let n=Vt.filter(r=>(e[r]??"")!=="").map(r=>[r,Number(e[r])]),s=e.context?qe(e.context):{};if(s===null)throw new SyntaxError("the context is no JSON object");return t&&(s.rerunOf=t.id),{...Object.fromEntries(n),...Object.keys(s).length>0&&{context:s}}}function na({options:e,onChange:t,issues:n}){let s=c.jobs.options,r=$=>n.filter(({path:u})=>u===`/${$}`).map(({message:u})=>u),a=$=>({target:u})=>t({...e,[$]:u.value}),i=g(Object.values(e).some(Boolean)),l=({target:$})=>i.value=$.open;return o`<details open=${i.value||[...Vt,"context"].some($=>r($).length>0)} onToggle=${l}>
		<summary>${s.title}</summary>
		<div class="options">
			${Vt.map($=>o`<label key=${$}>
				${s[$]}
				<input type="number" value=${e[$]??""} onInput=${a($)}
					aria-invalid=${r($).length>0?"true":void 0} />
				${r($).map(u=>o`<span class="problem" key=${u}>${u}</span>`)}
			</label>`)}
			<label>${s.context}<textarea rows="2" value=${e.context??""} onInput=${a("context")}></textarea></label>
		</div>
	</details>`}function Ts({field:e,value:t,path:n,issues:s,onChange:r}){let a=i=>l=>r(Ss(t??{},i,l));return o`
		${(e.fields??[]).map(i=>o`<${Gt} key=${i.name} field=${i} value=${t?.[i.name]}
			path=${`${n}/${js(i.name)}`} issues=${s} onChange=${a(i.name)} />`)}
		${Os(e,t).map(i=>o`<${Gt} key=${i} field=${sa(i)} value=${t[i]}
			path=${`${n}/${js(i)}`} issues=${s} onChange=${a(i)} />`)}
	`}var js=e=>e.replaceAll("~","~0").replaceAll("/","~1"),sa=e=>({name:e,title:e,hint:c.jobs.unlisted,kind:"json",isRequired:!1,isNullable:!0});function Gt({field:e,value:t,path:n,issues:s,onChange:r}){let a=As(s,n),i=`field${n}`,l=[e.hint&&`${i}-hint`,a.length>0&&`${i}-wrong`].filter(Boolean).join(" ")||void 0,$={id:i,"aria-describedby":l,"aria-invalid":a.length>0?"true":void 0,"aria-required":e.isRequired},u=M({value:t,kind:je(e,t)?e.kind:"json"});u.current.value!==t&&(u.current={value:t,kind:je(e,t)?e.kind:"json"});let{kind:d}=u.current,p=w=>{u.current={value:w,kind:d},r(w)},f=["object","array","union"].includes(d),h=o`<${_s[d]}
		field=${e} value=${t} path=${n} issues=${s} common=${$} onChange=${p} />`,m=o`<bdi>${e.title}</bdi> ${e.isRequired&&o`<small>${c.jobs.required}</small>`}`;return o`<div class="field">
		${f?o`<fieldset aria-describedby=${l}><legend>${m}</legend>${h}</fieldset>`:o`<label for=${i}>${m}</label>${h}`}
		${e.hint&&o`<small id=${`${i}-hint`}>${e.hint}</small>`}
		${a.length>0&&o`<p class="problem" id=${`${i}-wrong`}>${a.join("; ")}</p>`}
	</div>`}var _s={string:oa,integer:Ms,number:Ms,boolean:aa,choice:Rs,object:Ts,array:ia,union:Cs,json:la},ra={date:"date",email:"email",uri:"url"};function oa({field:e,value:t,common:n,onChange:s}){let r=({target:i})=>s(i.value===""?Wt(e):i.value);if(e.isSecret)return o`<input ...${n} type="password" autocomplete="new-password" value=${t??""} onInput=${r} />`;if(e.isLong||/[\r\n]/.test(t??""))return o`<textarea ...${n} class="growing" rows="1" value=${t??""} onInput=${r}></textarea>`;if(e.format==="date-time")return o`<${zt} value=${t} common=${n} set=${r} onChange=${s} />`;let a=e.format!=="date"||/^(\d{4}-\d\d-\d\d)?$/.test(t??"");return o`<input
		...${n} type=${a?ra[e.format??""]??"text":"text"} value=${t??""} onInput=${r} />`}function zt({value:e,common:t,set:n,onChange:s}){let r=({target:a})=>a.value&&s(new Date(a.value).toISOString());return o`<div class="group">
		<input ...${t} value=${e??""} placeholder="2026-12-24T18:00:00Z" onInput=${n} />
		<input type="datetime-local" step="1" aria-label=${c.jobs.pick} title=${c.jobs.pick} onChange=${r} />
	</div>`}function Ms({field:e,value:t,common:n,onChange:s}){let r=({target:a})=>s(a.value===""?Wt(e):a.valueAsNumber);return o`<input
		...${n} type="number" step=${e.kind==="integer"?1:"any"} value=${t??""} onInput=${r} />`}function aa(e){let{field:t,value:n,common:s,onChange:r}=e;return n==null?o`<${Rs} ...${e} field=${{...t,choices:[!0,!1]}} />`:o`<input ...${s} type="checkbox" checked=${n} onChange=${({target:i})=>r(i.checked)} />`}function Rs({field:{choices:e=[],isRequired:t},value:n,common:s,onChange:r}){let a=e.findIndex(l=>JSON.stringify(l)===JSON.stringify(n));return o`<select ...${s} value=${a} onChange=${({target:l})=>r(l.value==="-1"?void 0:e[Number(l.value)])}>
		${(a<0||!t)&&o`<option value="-1">–</option>`}
		${e.map((l,$)=>o`
			<option key=${$} value=${$}>${typeof l=="string"?l:JSON.stringify(l)}</option>
		`)}
	</select>`}function ia({field:e,value:t,path:n,issues:s,onChange:r}){let a=e.item,i=t??[],l=($,u)=>r(i.map((d,p)=>p===$?u:d));return o`${i.map(($,u)=>o`<div class="array-item" key=${u}>
			<${Gt}
				field=${{...a,title:`${u+1}`}} value=${$} path=${`${n}/${u}`}
				issues=${s} onChange=${d=>l(u,d)} />
			<button type="button" class="plain" onClick=${()=>r(i.filter((d,p)=>p!==u))}>
				${c.jobs.remove}
			</button>
		</div>`)}
		<button type="button" onClick=${()=>r([...i,pt(a)])}>${c.jobs.item}</button>`}function Cs({field:e,value:t,path:n,issues:s,common:r,onChange:a}){let{options:i=[]}=e,l=M(-1);l.current=xs(e,t,l.current);let $=l.current,u=i[$],d=M(new Map),p=({target:f})=>{d.current.set($,t),l.current=Number(f.value);let h=d.current.get(l.current);a(l.current<0?void 0:h??pt(i[l.current]))};return o`
		<select aria-label=${`${e.title} ${c.jobs.kind}`.trim()} value=${$} onChange=${p}>
			${($<0||!e.isRequired)&&o`<option value="-1">–</option>`}
			${i.map(({title:f},h)=>o`<option key=${h} value=${h}>${f}</option>`)}
		</select>
		${u&&o`<${_s[je(u,t)?u.kind:"json"]} key=${$}
			field=${u} value=${t} path=${n} issues=${s} common=${r} onChange=${a} />`}
	`}function la({value:e,common:t,onChange:n}){let s=Es(e),r=M({json:s,text:s});r.current.json!==s&&(r.current={json:s,text:s});let{text:a}=r.current;return o`<textarea ...${t} rows="3" value=${a} onInput=${({target:l})=>{let $=ca(l.value);r.current={json:Es($),text:l.value},n($)}}></textarea>
		${e===a&&a!==""&&o`<small>${c.jobs.asText}</small>`}`}var Es=e=>JSON.stringify(e,null,2)??"";function ca(e){try{return JSON.parse(e)}catch{return e===""?void 0:e}}var ua=50,Ns={runs:Is,launch:pa,definition:fa,versions:ga,revise:ka};function $a(){let{id:e}=T.value,t=x(async r=>(await k(`/jobs/${e}`,[["limit",ua],...R.value],r)).data,[e]),{job:n,runs:s=[]}=t.answer??{};return I("jobs",t.again,r=>n!==void 0&&r.has(n.slug)),I("deletedJobs",t.again,r=>n!==void 0&&r.has(n.slug)),I("runs",t.again,r=>[...r.values()].some(({slug:a,createdAt:i,id:l})=>a===n?.slug&&i>=(s[0]?.createdAt??"")&&s.every($=>$.id!==l))),o`<${A} asked=${t} lines=${8} list="jobs">
		${r=>o`<${da} job=${r.job} runs=${r.runs} again=${t.again} />`}
	<//>`}function da({job:e,runs:t,again:n}){let{tab:s}=T.value,r=Ns[s]??Is,{launch:a,revise:i,...l}=c.jobs.tabs;return o`<div class="screen-head">
			<div>
				<h1>${e.name}</h1>
				<p class="quiet">
					<span class="id">${e.slug}</span> · ${c.jobs.columns.version.toLowerCase()} ${e.version}
				</p>
			</div>
			${E.value&&o`<div class="actions">
				<${Ze} paused=${e.paused} name=${e.slug} path=${`/jobs/${e.slug}`} text=${c.jobs.pauseText} again=${n} />
				${s!=="launch"&&o`<button class="main" onClick=${()=>J({view:"job",id:e.slug,tab:"launch"})}>
					${c.jobs.launch}
				</button>`}
			</div>`}
		</div>
		${e.metadata?.description&&o`<p>${e.metadata.description}</p>`}
		${e.paused&&o`
			<p class="note">
				<${j} status="paused" /> <${O} at=${e.paused.at} /> · <bdi>${e.paused.by}</bdi>
				${e.paused.reason&&o` · <bdi>${e.paused.reason}</bdi>`}
			</p>
		`}
		<${xa} job=${e} />
		<${ze} tabs=${E.value?c.jobs.tabs:l} current=${Ns[s]?s:"runs"} />
		<${r} job=${e} runs=${t} again=${n} />`}function Is({job:e,runs:t}){let n=Q(t,"runs",({id:s})=>s);return o`<${Vn} job=${e.slug} />
		<section class="card stack">
			<h2>${c.jobs.durations}</h2>
			<${ha} runs=${n} />
		</section>
		<div class="screen-head">
			<h2>${c.jobs.runs}</h2>
			<div class="actions"><${S} to=${{view:"runs",words:[["job",e.slug]]}}>${c.runs.title}<//></div>
		</div>
		<${le} runs=${n} isOfOneJob />`}function pa({job:e}){return E.value?o`<section class="card"><${ht} job=${e} key=${e.slug} /></section>`:o`<${we} />`}function fa({job:e}){let t=ut(e);return o`<dl class="facts card">
			<div><dt>${c.jobs.entryPoint}</dt><dd><code>${e.entryPoint}</code></dd></div>
			<div><dt>${c.jobs.limits}</dt><dd>${t.join(", ")||c.none}</dd></div>
			<div><dt>${c.run.facts.timeout}</dt><dd>${C(e.timeoutMs)}</dd></div>
		</dl>
		<div class="cards">
			<section class="card">
				<h2>${c.jobs.schema}</h2>
				<${z} value=${e.parametersSchema} label=${c.jobs.schema} />
			</section>
			<section class="card">
				<h2>${c.jobs.definition}</h2>
				<${z} value=${e} label=${c.jobs.definition} />
			</section>
		</div>`}var Zt=1e3,Xt=100,ma=2;function ha({runs:e}){let t=Un(e);if(t.length<ma)return o`<p class="quiet">${c.jobs.needMore}</p>`;let[n,s,r]=[.5,.95,.99].map(a=>C(Bn(t,a)));return o`<p>${c.jobs.percentiles(n,s,r)}</p>
		<${va} ...${Wn(e)} />`}function va({points:e,first:t,last:n,longest:s}){return o`<figure class="plot" aria-hidden="true">
		<div class="plot-scale"><span>${C(s)}</span><span>${C(s/2)}</span><span>0</span></div>
		<svg viewBox="0 0 ${Zt} ${Xt}" preserveAspectRatio="none">
			${[0,.5,1].map(r=>o`
				<path class="rule" key=${r} d=${`M0 ${r*Xt}H${Zt}`} vector-effect="non-scaling-stroke" />
			`)}
			${e.map(({run:r,x:a,y:i})=>o`<path key=${r.id} class="point status-${r.status}"
				d=${`M${a*Zt} ${(1-i)*Xt}h0.01`}>
				<title>${C(r.durationMs)} · ${c.status(r.status)} · ${ee(r.completedAt??"")}</title>
			</path>`)}
		</svg>
		<figcaption><span>${ee(t)}</span><span>${ee(n)}</span></figcaption>
	</figure>`}var ba=1e3;function ga({job:e}){let t=[["subject",e.id]],n=x(async s=>ys((await ne("/events",t,s,ba)).filter(Ne)),[e.id],{newer:[e.version,e.paused?.at]});return o`<${A} asked=${n}>
		${s=>o`<ol class="events">
			${s.map(r=>o`<${wa} key=${r.position} change=${r} />`)}
		</ol>`}
	<//>`}function wa({change:e}){let{kind:t,version:n,at:s,by:r,reason:a,changes:i}=e;return o`<li class="card">
		<header>
			<h2>${t} ${n&&c.jobs.versionOf(n)}</h2>
			<span class="quiet"><${O} at=${s} full /> · <bdi>${r}</bdi></span>
		</header>
		${a&&o`<p>${a}</p>`}
		${i.length>0&&o`<${Ye} found=${i} />`}
	</li>`}var Ee=ue(new Map);function ya(e){let t=gs(e);return{version:e.version,before:t,text:JSON.stringify(t,null,2)}}function ka({job:e,again:t}){let n=Ee.value.get(e.slug)??ya(e),s=({target:d})=>Ee.value=new Map(Ee.value).set(e.slug,{...n,text:d.value}),r=()=>Ee.value=new Map([...Ee.value].filter(([d])=>d!==e.slug)),a=g({message:"",issues:[]}),i=c.jobs;if(!E.value)return o`<${we} />`;let l=async d=>{d.preventDefault();try{let p=ws(n.before,JSON.parse(n.text));if(Object.keys(p).length===0){a.value={message:i.unchanged,issues:[]};return}let{data:f}=await ae("PATCH",`/jobs/${e.slug}`,{...p,version:n.version+1});r(),B(i.revised(f.version)),t(),J({view:"job",id:e.slug,tab:"versions"})}catch(p){let{message:f,issues:h=[]}=G(p);a.value={message:p instanceof SyntaxError?i.badJson:f,issues:h}}},{message:$,issues:u}=a.value;return o`<form class="card stack" onSubmit=${l}>
		<p class="quiet">${i.revisionHint}</p>
		${n.version!==e.version&&o`<p class="note" role="status">${i.newer(e.version)}</p>`}
		<textarea rows="22" aria-label=${i.definition}
			aria-invalid=${$?"true":void 0} aria-describedby=${$?"revision-problem":void 0}
			value=${n.text} onInput=${s}></textarea>
		${He(qe(n.text))&&o`<p class="note" role="status">${i.rounded}</p>`}
		${$&&o`<div id="revision-problem" class="problem" role="alert">
			<p>${$}</p>
			${u.length>1&&o`<ul>${u.map(({path:d,message:p})=>o`<li key=${d+p}><code>${d}</code> ${p}</li>`)}</ul>`}
		</div>`}
		<div class="actions">
			<button class="main">${i.revise}</button>
			${Ee.value.has(e.slug)&&o`<button type="button" onClick=${r}>${i.discard}</button>`}
		</div>
	</form>`}function xa({job:e}){let{slug:t}=e,s=x(r=>k("/job-runs/counts",[["job",t],...R.value],r),[t]);return I("runs",s.again,r=>[...r.values()].some(a=>a.slug===t)),o`<${A} asked=${s} lines=${1}>${({data:r})=>o`<${Oa} counts=${r} job=${e} />`}<//>`}function Oa({counts:e,job:t}){let{slug:n,maxConcurrentRuns:s}=t,r=s&&c.jobs.used(e.running,s),a=i=>[["job",n],["status",i]];return o`<ul class="standing">
		${Qe.map(i=>o`<li key=${i}>
			<${S} to=${{view:"runs",words:a(i)}}><${j} status=${i} /><//> ${xe(e[i])}
		</li>`)}
		${s&&o`<li>
			<meter min="0" max=${s} value=${e.running} aria-label=${r}></meter> <small>${r}</small>
		</li>`}
	</ul>`}function Sa(){let e=x(Aa,[]);I("jobs",e.again),I("deletedJobs",e.again),I("failures",e.again);let t=Ma();return o`<div class="screen-head"><h1>${c.jobs.title}</h1></div>
		<${A} asked=${e}>${n=>o`<${Ta} ...${n} trends=${t} />`}<//>`}async function Aa(e){let[t,n]=await Promise.all([k("/jobs",R.value,e),ne("/failures",[["status","open"],...R.value],e)]),s=new Map;for(let{job:r}of n)s.set(r,(s.get(r)??0)+1);return{jobs:t.data,failing:s}}var ja=1e4;function Ma(){return x(Ea,[kn.value,Ve.value],{everyMs:ja}).answer??new Map}async function Ea(e){let{from:t,to:n,bucketMs:s}=qn("24h",Ie.value),r=[["from",t],["to",n],["bucketMs",s],["groupBy","job"],...R.value],{data:a,meta:i}=await k("/job-runs/statistics",r,e);return new Map(Kn(a.buckets,i).map(l=>[l.slug,l]))}function Ta({jobs:e,failing:t,trends:n}){let s=({slug:i})=>n.get(i.toLowerCase()),r=c.jobs.columns;if(e.length===0)return o`<${D} title=${c.jobs.empty} hint=${c.jobs.emptyHint} command=${c.jobs.emptyCommand} />`;let a=[{name:"first",title:r.job,cell:i=>o`<${Z} slug=${i.slug}><strong>${i.name}</strong><//>${" "}
					<small class="id">${i.slug}</small>`},{name:"state",title:r.health,cell:i=>o`<${Ca} job=${i} failing=${t.get(i.slug)??0} />`},{name:"day",title:r.day,cell:i=>o`<${Ra} trend=${s(i)} />`},{name:"took",title:r.took,cell:i=>_a(s(i))},{name:"version",title:r.version,cell:({version:i})=>i},{name:"limits",title:r.limits,cell:i=>o`<small>${ut(i).join(", ")||"\u2013"}</small>`},{name:"updated",title:r.updated,cell:({updatedAt:i})=>o`<${O} at=${i} />`}];return o`<${X} label=${c.jobs.title} rows=${e} keyOf=${({slug:i})=>i} columns=${a} />`}var Ls=6e4,_a=e=>e&&e.ended>0?Gn(e.buckets,"durationMs").join(" / "):"\u2013";function Ra({trend:e}){if(!e||e.ended===0)return o`<span class="quiet">–</span>`;let{buckets:t,ended:n,failed:s,worse:r}=e,a=t.findLast(l=>l.ended>0),i=a&&C(Math.ceil((Ie.value-Date.parse(a.at))/Ls)*Ls);return o`<span class="day"><${nt} buckets=${t} />
		<small>${c.trends.day(n,s)}<br />${i&&c.trends.lastWithin(i)}</small></span>
		${r&&o`<strong class="worse">${c.trends.worse[r.what](r.factor,ee(r.since))}</strong>`}`}function Ca({job:e,failing:t}){return e.paused?o`<${j} status="paused" />`:t===0?o`<${j} status="ready" label=${c.schedules.active} />`:o`<${S} to=${{view:"failures",words:[["job",e.slug]]}}>
		<${j} status="failed" label=${c.jobs.failing(t)}
	/><//>`}var Ds=(e,t)=>e===""&&t.after===void 0;function Ps({next:e,last:t},n){return e!==null&&n-t>500?n-30:t}function Hs(e,t,n,s){let r=t.next===null?Math.max(t.last,s):t.last,a=n>Math.max(e.last,e.next??0)?[]:e.events;return{next:t.next,last:r,events:[...a,...t.events].slice(-500)}}var Ia=50,La=1e3;function Da(){let{words:e}=T.value,t=Object.fromEntries(e),n=g(!0),s=Ds(_.value,t),r=s&&n.value,a=t.after??(s?Math.max(Ct.peek()-30,0):0),i=x(l=>qs({...t,after:a},l),[JSON.stringify(e),Ct.value>0]);return o`<div class="screen-head">
			<h1>${c.log.title}</h1>
			<div class="actions">
				<label class="check">
					<input type="checkbox" checked=${r} disabled=${!s}
						onChange=${({target:l})=>n.value=l.checked} />${c.log.live}</label>
			</div>
		</div>
		<${Ja} given=${t} key=${JSON.stringify(e)} />
		<${A} asked=${i}>
			${l=>o`<${Ha} page=${l} given=${t} asked=${i} isFollowing=${r} />`}
		<//>
		<section class="card stack">
			<${Pa} />
			<p class="quiet">${c.log.verify}</p>
			<${An} text=${c.log.verifyCommand} />
		</section>`}function Pa(){let{answer:e}=x(t=>k("/events/seal",[],t),[],{everyMs:5e3});return e&&o`<p>${c.log.sealed(e.data)}</p>`}async function qs(e,t){let n=bn(_.value),s=_.value&&n!==null?[["until",new Date(n).toISOString()]]:[],{data:r,meta:a}=await k("/events",[...Object.entries(e),["limit",Ia],...s],t),l=_.value!==""&&n===null?r.filter(({position:u})=>u<=Number(_.value)):r,$=l.length<r.length;return{events:l,next:$?null:a.next,last:r.at(-1)?.position??Number(e.after)}}function Ha({page:e,given:t,asked:n,isFollowing:s}){let r=async u=>{let d=de.value.position,p=await qs({...t,after:u});n.set(e,Hs(e,p,u,d))},{position:a}=de.value,i=M(0),l=g(0);if(F(()=>{if(!s||a<=e.last||i.current===null)return;let d=setTimeout(()=>{i.current=null,r(Ps(e,a)).catch(()=>{}).finally(()=>{i.current=Date.now(),l.value+=1})},i.current+La-Date.now());return()=>clearTimeout(d)},[s,a,e,l.value]),e.events.length===0)return o`<${D} title=${c.log.empty} hint=${c.log.emptyHint} />`;let $=s?[...e.events].reverse():e.events;return o`<ol class="log-events">
			${$.map(u=>o`<${qa} key=${u.position} event=${u} />`)}
		</ol>
		${e.next!==null&&!s&&o`
			<${On} text=${c.log.newer} load=${()=>r(e.next??e.last)} />
		`}`}function qa({event:e}){let{position:t,type:n,subject:s,occurredAt:r,actor:a,correlationId:i}=e,l=g(!1);return o`<li>
		<details onToggle=${({target:u})=>l.value=u.open}>
			<summary>
				<span class="position">${t}</span> <code class="event-type">${n}</code>
				<small class="id">${s.id}</small> <small><bdi>${a}</bdi> · <${O} at=${r} /></small>
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
				<${z} value=${e} label=${c.log.show} />
			</div>`}
		</details>
	</li>`}var Qt=["type","subject","actor","after"],Fa={type:"job_run.started",subject:"",actor:"worker:\u2026",after:"0"};function Ja({given:e}){return o`<form class="group log-filter" role="search" onSubmit=${n=>{n.preventDefault();let s=new FormData(n.target),a=Qt.map(i=>[i,String(s.get(i)).trim()]).filter(([,i])=>i!=="");U({words:e.correlation?[...a,["correlation",e.correlation]]:a})}}>
		${Qt.map(n=>o`<label key=${n}>
			${c.log[n]}
			<input name=${n} defaultValue=${e[n]??""} placeholder=${Fa[n]}
				data-filter=${n===Qt[0]} />
		</label>`)}
		<button>${c.log.apply}</button>
		${e.correlation&&o`<span class="tag">correlation ${e.correlation}</span>`}
	</form>`}var Ua=e=>JSON.stringify({parameters:e.parameters},null,2),bt=e=>`'${e.replaceAll("'","'\\''")}'`;function tn(e){let{origin:t,pathname:n}=new URL(".",e);return t+n.slice(0,-1)}function Fs(e,t,n){return[`curl -X POST ${bt(`${tn(t)}/jobs/${e.slug}/run`)}`,"-H 'Content-Type: application/json'",...n?['-H "Authorization: Bearer $APPHUB_TOKEN"']:[],`-d ${bt(Ua(e))}`].join(` \\
  `)}function Js(e,t){let n=`apphub-jobs run ${e.slug} --url ${bt(tn(t))} --params -`;return`printf %s ${bt(JSON.stringify(e.parameters))} |
  ${n}`}function Us(e,t){return["from apphub_jobs import Client","",`with Client("${tn(t)}") as client:`,`    run = client.launch("${e.slug}", ${en(e.parameters)})`,"    print(run.result())"].join(`
`)}function en(e){return e===null?"None":e===!0?"True":e===!1?"False":Array.isArray(e)?`[${e.map(en).join(", ")}]`:typeof e=="object"&&e?`{${Object.entries(e).map(([t,n])=>`${JSON.stringify(t)}: ${en(n)}`).join(", ")}}`:JSON.stringify(e)}function Bs(e){let t=new Map,n=new Map,s=[];for(let{eventId:r,type:a,subject:i,occurredAt:l,causationId:$,data:u}of e){let d=Ba(a),p=t.get(i.id);if(p)p.last=d;else{let f=n.get($),h=f?.type??"";p={...i,app:u?.repository_id,at:l,last:d,cause:h,children:[]},t.set(i.id,p),(f?.subject.children??s).push(p)}n.set(r,{subject:p,type:d})}return s}var Ba=e=>e.slice(e.lastIndexOf(".")+1).replaceAll("_"," ");var Wa=/(^<|[\\/](site-packages|dist-packages|python3[^\\/]*|apphub_jobs)[\\/])/,Va=/^ {2}File "(?<file>[^"]+)", line (?<line>\d+), in (?<name>.+)$/;function Ws(e){let t=e.split(`
`);return t.flatMap((s,r)=>{let a=Va.exec(s)?.groups;if(!a||Wa.test(a.file))return[];let i=t[r+1]??"",l=i.startsWith("    ")?i.trim():"";return[{file:a.file,line:Number(a.line),name:a.name,code:l}]}).reverse()}var Vs=e=>e.split(/[\\/]/).slice(-2).join("/");var Gs=["failed","expired"],Ga=50,Ka=5e3;function Ks({run:e,related:t,worker:n}){let s=e.context?.stack;return o`<section class="card stack failure" aria-label=${c.run.failed.title}>
		<h2>${c.run.failed.title} <code class="quiet">${e.failureReason}</code></h2>
		${e.errorMessage&&o`<p class="error-message" tabindex="0"><code>${e.errorMessage}</code></p>`}
		<div class="cards">
			${typeof s=="string"&&o`<${Ya} stack=${s} />`}
			<${Qa} run=${e} related=${t} worker=${n} />
		</div>
		<${za} run=${e} />
		<div>
			<h3>${c.run.parameters}</h3>
			<${z} value=${e.parameters} label=${c.run.parameters} />
		</div>
	</section>`}function Ya({stack:e}){let t=c.run.failed,n=Ws(e);return o`<div class="stack">
		${n.length>0&&o`<h3>${t.own}</h3>
			<ol class="frames">
				${n.map(({file:s,line:r,name:a,code:i},l)=>o`<li key=${l}>
					<span title=${s}>${Vs(s)}:${r}</span> <span class="quiet">${t.inside(a)}</span>
					${i&&o`<pre><code>${i}</code></pre>`}
				</li>`)}
			</ol>
		`}
		<details open=${n.length===0}>
			<summary>${t.traceback}</summary>
			<pre class="json" tabindex="0"><code>${e}</code></pre>
		</details>
	</div>`}function za({run:e}){let t=c.run.failed,n=x(s=>Xa(e,s),[e.id,e.attempt]);return o`<div>
		<h3>${t.lastLines} · <${S} to=${{view:"run",id:e.id,tab:"log"}}>${t.wholeLog}<//></h3>
		<${A} asked=${n} lines=${3}>
			${s=>s?o`<${Za} lines=${s} />`:o`<p class="quiet">${c.run.log.empty}</p>`}
		<//>
	</div>`}function Za({lines:e}){let t=M(null);return F(()=>{t.current?.scrollTo(0,t.current.scrollHeight)},[e]),o`<pre class="json" tabindex="0" ref=${t}><code><${$s} text=${e} /></code></pre>`}async function Xa({id:e,attempt:t},n){if(t===0)return"";let s=[],r=[["attempt",t],["last",Ga]];for await(let{piece:a}of be(`/job-runs/${e}/logs`,r,n))s.push(a);return s.join("").trimEnd()}var nn=({worker:e})=>o`<${S} to=${{view:"runs",words:[["worker",e]]}}><code>${e}</code><//>`;function Qa({run:e,related:t,worker:n}){let s=c.run.failed;return o`<div class="stack">
		${n&&o`<p>${c.run.worker}: <${nn} worker=${n} /></p>`}
		${_.value?o`<p class="note">${c.past.notHere}</p>`:o`<${ei} related=${t} />`}
		<p>
			<${S} to=${{view:"runs",words:[["job",e.slug],["status","failed,expired"]]}}>${s.others(e.slug)}<//>
		</p>
	</div>`}function ei({related:e}){let t=c.run.failed;return o`<${A} asked=${e} lines=${2}>${({failureGroup:s,retries:r})=>o`
		${s&&o`<p>
			${t.group}: <${S} to=${{view:"failures",id:s.fingerprint}}>${s.title}<//>,${" "}
			<strong>${c.failures.times(s.count+s.recovered)}</strong>
			${s.recovered>0&&`, ${c.failures.recovered(s.recovered)}`}
		</p>`}
		<p>${r.length>0?t.retried:t.notRetried}</p>
		<${sn} runs=${r} />
	`}<//>`}var sn=({runs:e})=>e.length>0&&o`<ul class="needs">
		${e.map(({id:t,status:n,createdAt:s})=>o`<li key=${t}>
			<${L} id=${t} /> <${j} status=${n} /> <small><${O} at=${s} /></small>
		</li>`)}
	</ul>`,ti={failureGroup:null,retries:[],bulkOperation:null};function Ys(e,t){let n=e.completedAt!==null,s=_.value===""&&(n||e.context?.retryOf!==void 0);return x(async r=>s?(await k(`/job-runs/${e.id}/related`,[],r)).data:ti,[e.id,s],{newer:[t],everyMs:n?Ka:void 0})}var gt={"job_run.succeeded":"succeeded","job_run.attempt_failed":"failed","job_run.attempt_timed_out":"timed_out","job_run.attempt_lost":"lost","job_run.handed_back":"handed_back","job_run.canceled":"canceled","job_run.start_deadline_passed":"expired"},zs=["job_run.started",...Object.keys(gt)];function Zs(e,t){let n=[],s=null,r=(a,i)=>{s&&(n.push({...s,number:n.length,to:a,outcome:i,isOpen:!1}),s=null)};for(let{type:a,data:i,occurredAt:l}of e){let $=Date.parse(l);a==="job_run.requested"?s={kind:"wait",from:$}:a==="job_run.started"?(r($),s={kind:"run",from:$,attempt:i.attempt,worker:i.worker_id}):gt[a]&&(r($,gt[a]),i.retry_at?s={kind:"backoff",from:$}:a==="job_run.handed_back"&&(s={kind:"wait",from:$}))}return s&&n.push({...s,number:n.length,to:Math.max(t,s.from),isOpen:!0}),n}var ni=.6,si=.02;function Xs(e){let t=({from:u,to:d})=>Math.max(d-u,1),n=e.filter(({kind:u})=>u==="run").reduce((u,d)=>u+t(d),0),s=n>0?n*ni:1/0,r=e.map(u=>{let d=u.kind!=="run"&&t(u)>s;return{...u,isCollapsed:d,drawn:d?s:t(u)}}),a=r.reduce((u,d)=>u+d.drawn,0),i=r.map(u=>Math.max(u.drawn/a,si)),l=i.reduce((u,d)=>u+d,0),$=0;return r.map(({drawn:u,...d},p)=>{let f=i[p]/l,h={...d,start:$,width:f};return $+=f,h})}function Qs(e){let t=[];for(let{type:n,data:s}of e){let r=ri(n,s,t.at(-1));r&&r!==t.at(-1)&&t.push(r)}return t}function ri(e,t,n){return e==="job_run.requested"||e==="job_run.handed_back"?"pending":e==="job_run.started"?"running":e==="job_run.succeeded"?"succeeded":e==="job_run.canceled"?"canceled":e==="job_run.start_deadline_passed"?"expired":gt[e]?t.retry_at?"pending":e==="job_run.attempt_timed_out"?"expired":"failed":n}function ln({run:e,events:t,related:n}){let s=e.completedAt!==null,r=Zs(t,s?0:Ie.value),a=r.filter(({kind:l})=>l==="run"),i=Gs.includes(e.status);return o`
		${i&&o`<${Ks} run=${e} related=${n} worker=${a.at(-1)?.worker} />`}
		<div class="story">
			<div class="stack">
				${!i&&o`<${fi} run=${e} />`}
				<section class="card stack">
					<h2>${c.run.timeline}</h2>
					<${ai} segments=${r} />
					<${oi} attempts=${a} isOver=${s} events=${t} known=${i?e.errorMessage:null} />
				</section>
			</div>
			<section class="card"><h2>${c.run.states}</h2><${ci} path=${Qs(t)} /></section>
		</div>
	`}function oi({attempts:e,isOver:t,events:n,known:s}){let r=c.run;if(e.length===0)return o`<p class="quiet">${t?r.neverStarted:r.noAttempts}</p>`;let a=new Map;for(let{data:{error_message:l},occurredAt:$}of n)l&&l!==s&&a.set(Date.parse($),l);let i=[{name:"first",title:r.attempts,cell:({attempt:l=0})=>r.attempt(l)},{name:"status",title:c.runs.columns.status,cell:({isOpen:l,outcome:$})=>o`<${j} status=${l?"running":$} />`},{name:"took",title:c.runs.columns.took,cell:({from:l,to:$})=>C($-l)},{name:"started",title:r.facts.started,cell:({from:l})=>o`<${O} at=${new Date(l).toISOString()} />`},{name:"worker",title:r.worker,cell:({worker:l})=>o`<${nn} worker=${l} />`},{name:"why",title:c.runs.columns.details,cell:({to:l,isOpen:$})=>$?"":a.get(l)}];return o`<${X} label=${r.attempts} rows=${e} keyOf=${({number:l})=>l} columns=${i} />`}var rn=1e3,Fe=44;function ai({segments:e}){if(e.length===0)return null;let t=Xs(e),n=e[0].from,s=e[e.length-1].to;return o`<figure class="timeline">
		<svg viewBox="0 0 ${rn} ${Fe}" preserveAspectRatio="none" role="img"
			aria-label=${t.map(on).join("; ")}>
			${t.map(r=>o`<${ii} key=${r.number} place=${r} />`)}
		</svg>
		<ul class="timeline-legend" aria-hidden="true">
			${t.map(r=>o`
				<li key=${r.number}><span class="swatch ${er(r)}"></span>${on(r)}</li>
			`)}
		</ul>
		<figcaption>
			${[n,s].map(r=>o`<${Tn} key=${r} at=${new Date(r).toISOString()} />`)}
		</figcaption>
	</figure>`}function ii({place:e}){let{kind:t,start:n,width:s,isCollapsed:r}=e,a=t==="run"?Fe-8:12,i=n*rn,l=Math.max(s*rn-1,2);return o`<g class="segment ${er(e)}">
		<title>${on(e)}</title>
		<rect x=${i} y=${(Fe-a)/2} width=${l} height=${a} />
		${r&&o`
			<path d=${`M${i+l/2-6} 4L${i+l/2-2} ${Fe-4}M${i+l/2+2} 4L${i+l/2+6} ${Fe-4}`} />
		`}
	</g>`}function er({kind:e,outcome:t="",isOpen:n}){return e!=="run"?`segment-${e}`:`segment-run status-${n?"running":De(t)}`}function on({kind:e,attempt:t=0,from:n,to:s,isCollapsed:r}){let a=C(s-n);if(e==="run")return`${c.run.attempt(t)} ${c.run.ran(a)}`;let i=c.run.waited(a);return r?c.run.collapsed(i):i}var wt={pending:[62,90],running:[212,90],succeeded:[390,24],failed:[390,68],expired:[390,112],canceled:[390,156]},ce=104,an=30,li=[["pending","running"],["running","pending"],["running","succeeded"],["running","failed"],["running","expired"],["running","canceled"],["pending","canceled"],["pending","expired"]];function ci({path:e}){let t=new Map;for(let n=1;n<e.length;n+=1){let s=`${e[n-1]} ${e[n]}`;t.set(s,(t.get(s)??0)+1)}return o`<svg class="diagram" viewBox="0 0 452 184" role="img" aria-label=${e.join(", ")}>
		<defs>
			${["","taken-"].map(n=>o`<marker key=${n} id=${`${n}arrow`} class=${`${n}arrow`}
				viewBox="0 0 6 6" refX="6" refY="3" markerWidth="6" markerHeight="6" orient="auto">
				<path d="M0 0L6 3L0 6z" />
			</marker>`)}
		</defs>
		${li.map(([n,s])=>o`
			<${$i} key=${`${n} ${s}`} from=${n} to=${s} times=${t.get(`${n} ${s}`)??0} />
		`)}
		${Object.keys(wt).map(n=>o`
			<${ui} key=${n} status=${n} wasThere=${e.includes(n)} isThere=${e.at(-1)===n} />
		`)}
	</svg>`}function ui({status:e,wasThere:t,isThere:n}){let[s,r]=wt[e];return o`<g class="place status-${e} ${n?"is-there":t?"was-there":""}" aria-hidden="true">
		<rect x=${s-ce/2} y=${r-an/2} width=${ce} height=${an} rx="15" />
		<text x=${s} y=${r+4.5}>${e}</text>
	</g>`}function $i({from:e,to:t,times:n}){let s=di(e,t);return o`<g class="way ${n>0?"was-taken":""}" aria-hidden="true">
		<path d=${s} marker-end=${n>0?"url(#taken-arrow)":"url(#arrow)"} />
		${n>1&&o`<text x="137" y=${e==="pending"?76:114}>${n} ×</text>`}
	</g>`}function di(e,t){let[n,s]=wt[e],[r,a]=wt[t];return e==="pending"&&t==="running"?`M${n+ce/2} ${s-5}H${r-ce/2}`:t==="pending"?`M${n-ce/2} ${s+5}H${r+ce/2}`:e==="pending"?`M${n} ${s+an/2}Q${n} ${a+8} ${n+80} ${a+8}H${r-ce/2}`:`M${n+ce/2} ${s}C${n+90} ${s} ${r-90} ${a} ${r-ce/2} ${a}`}var pi=3e3;function fi({run:e}){let t=e.status==="pending"?pi:void 0,n=x(s=>k(`/job-runs/${e.id}/explain`,R.value,s),[e.id],{newer:[Se(e.updatedAt)],everyMs:t});return o`<section class="card explanation">
		<h2>${e.completedAt?c.run.outcome:c.run.explain}</h2>
		<${A} asked=${n} lines=${2}>${({data:s})=>o`<${mi} explanation=${s} hasEnded=${e.completedAt!==null} />`}<//>
	</section>`}function mi({explanation:e,hasEnded:t}){let{status:n,summary:s,reasons:r,nextChangeAt:a,unknown:i}=e,l=n==="pending"&&r.some(({binding:$})=>$);return o`
		${!l&&o`<p class="summary">${t?s:o`<${Nt} text=${s} />`}</p>`}
		${r.length>0&&!t&&o`<ul class="stack">
			${r.map($=>o`<${hi} key=${$.code} reason=${$} />`)}
		</ul>`}
		${a&&o`<p class="quiet">${c.run.until} <${O} at=${a} /></p>`}
		${i.map($=>o`<p class="note" key=${$}>${$}</p>`)}
	`}function hi({reason:e}){let{code:t,message:n,binding:s,since:r}=e;return o`<li class=${s?"reason is-binding":"reason"}>
		${s&&o`<${Y} name="next" label=${c.run.binding} />`}
		<span><bdi><${Nt} text=${n} /></bdi> <code class="quiet">${t}</code> ${r&&o`<small><${O} at=${r} /></small>`}</span>
	</li>`}var tr={story:ln,log:us,events:Ti,causes:Ci,data:Li};function vi(){let{id:e}=T.value,t=x(async n=>(await k(`/job-runs/${e}`,R.value,n)).data,[e]);return o`<${A} asked=${t} lines=${8} list="runs">
		${({run:n,job:s})=>o`<${bi} asked=${n} job=${s} />`}
	<//>`}function bi({asked:e,job:t}){let n=K(()=>[e],[e]),[s]=Q(n,"runs",({id:d})=>d),r=Se(s.updatedAt),a=Ys(s,r),i=x(d=>wi(s.id,d),[s.id],{newer:[r]}),{tab:l}=T.value,$=M(s.status);F(()=>{$.current!==s.status&&B(c.run.isNow(s.status)),$.current=s.status},[s.status]);let u=tr[l]??ln;return o`
		<div class="screen-head">
			<div>
				<p class="quiet"><${Z} slug=${s.slug}>${t.name}<//></p>
				<h1 class="run-title"><${j} status=${s.status} /> <span class="id">${s.id}</span></h1>
			</div>
			<${Oi} run=${s} />
		</div>
		<${gi} run=${s} />
		${s.errorMessage&&sr.includes(s.status)&&o`
			<p class="error-message" tabindex="0"><code>${s.errorMessage}</code></p>
		`}
		<${yi} run=${s} related=${a.answer} />
		<${ze} tabs=${c.run.tabs} current=${tr[l]?l:"story"} />
		<${A} asked=${i}>
			${d=>o`<${u} run=${s} events=${d} related=${a} />`}
		<//>
	`}function gi({run:e}){let t=e.metrics?.progress;return e.status!=="running"||typeof t!="number"?null:o`<progress max="1" value=${t} aria-label=${c.run.progress}></progress>`}async function wi(e,t){let{data:n,meta:s}=await k(`/job-runs/${e}/events`,[["limit",yt]],t),r=[["subject",e],["type",zs.join()],["after",n.at(-1)?.position],["limit",yt]],a=s.nextCursor?(await k("/events",r,t)).data:[];return[...n,...a].filter(Ne)}function yi({run:e,related:t}){let n=c.run.facts,s=a=>o`<${O} at=${a} full />`,r=[[n.created,s(e.createdAt)],e.scheduledAt!==e.createdAt&&[n.due,s(e.scheduledAt)],e.startedAt&&[n.started,s(e.startedAt)],e.completedAt&&[n.completed,s(e.completedAt)],e.startedAt&&[c.runs.columns.took,o`<${Oe} from=${e.startedAt} to=${e.completedAt} ms=${e.durationMs} />`],[n.attempts,c.runs.attemptOf(e.startedAt?e.attempt:0,e.maxAttempts)],[n.by,e.requestedBy],e.failureReason&&[n.failure,o`<code>${e.failureReason}</code>`],e.timeoutMs&&[n.timeout,C(e.timeoutMs)],e.priority!==0&&[n.priority,e.priority],e.context?.retryOf&&[n.retryOf,o`<${L} id=${e.context.retryOf} />`],e.context?.rerunOf&&[c.jobs.rerunOf,o`<${L} id=${e.context.rerunOf} />`],t?.bulkOperation&&[n.bulk,o`<${xi} ...${t.bulkOperation} />`],t?.retries.length&&[n.repeated,o`<${sn} runs=${t.retries.slice(0,ki)} />`],e.idempotencyKey&&[n.key,o`<code>${e.idempotencyKey}</code>`]];return o`<dl class="facts card">
		${r.filter(Array.isArray).map(([a,i])=>o`<div key=${a}><dt>${a}</dt><dd>${i}</dd></div>`)}
	</dl>`}var ki=3,xi=({id:e,action:t,reason:n})=>o`<${S} to=${{view:"bulk",id:e}}>${c.bulk.title(t)}<//> · <bdi>${n}</bdi>`,sr=["pending","running"];function Oi({run:e}){let t=g(!1),n=M(se()),s=sr.includes(e.status);return o`<div class="actions">
		${_.value&&o`<span class="quiet">${c.past.noActions}</span>`}
		${E.value&&s&&o`
			<button class="danger" disabled=${e.cancelRequestedAt!==null} onClick=${()=>Si(e)}>${c.run.cancel} …</button>
		`}
		${E.value&&!s&&o`<button onClick=${()=>Ai(e,n)}>${c.run.retry}</button>`}
		${E.value&&o`<button onClick=${()=>t.value=!0}>${c.run.rerun} …</button>`}
		<${Ei} run=${e} />
		${t.value&&o`<${ji} run=${e} onClose=${()=>t.value=!1} />`}
	</div>`}function Si(e){let t=c.run,n={title:`${t.cancel} ${e.slug}`,text:t.cancelText,action:t.cancel};return Ke(n,`/job-runs/${e.id}/cancel`,t.canceled)}async function Ai(e,t){let n=await P(()=>N(`/job-runs/${e.id}/retry`,void 0,{"Idempotency-Key":t.current}));n&&(t.current=se(),J({view:"run",id:n.data.id}))}function ji({run:e,onClose:t}){let n=x(async s=>{let[r,a]=await Promise.all([k(`/jobs/${e.slug}`,[["limit",1]],s),k(`/job-runs/${e.id}/events`,[["limit",1]],s)]);return{job:r.data.job,origin:{...e,...Mi(a.data[0])}}},[]);return o`<${Ge} title=${c.run.rerun} onClose=${t} className="wide">
		<${A} asked=${n}>
			${s=>o`<${ht} ...${s} onLaunched=${t} />`}
		<//>
	<//>`}function Mi(e){let{context:t=null,start_deadline_at:n,scheduled_at:s}=e?.data??{},r=(a,i)=>a&&i?Math.max(Date.parse(i)-Date.parse(a),0):null;return{context:t,delayMs:r(e?.occurredAt,s),startDeadlineMs:r(s,n)}}function Ei({run:e}){let t=document.baseURI,n={curl:Fs(e,t,hn()!==""),CLI:Js(e,t),Python:Us(e,t)};return o`<details class="menu">
		<summary>${c.run.copyAs}</summary>
		<div class="menu-box stack">
			${Object.entries(n).map(([s,r])=>o`<div key=${s}>
				<h3>${s}</h3>
				<div class="with-copy">
					<${Sn} text=${r} label=${c.copyOf(s)} />
					<pre class="json"><code>${r}</code></pre>
				</div>
			</div>`)}
		</div>
	</details>`}var yt=500;function Ti({events:e}){let t=new Map(e.map(n=>[n.eventId,n]));return o`${e.length>=yt&&o`<p class="note">${c.ofFirst(yt)}</p>`}<ol class="events">
		${e.map(n=>o`
			<${_i} key=${n.position} event=${n} cause=${t.get(n.causationId)} />
		`)}
	</ol>`}function _i({event:e,cause:t}){let{type:n,position:s,occurredAt:r,actor:a,causationId:i,correlationId:l,data:$}=e,u=c.run.events;return o`<li class="card">
		<header>
			<h2><code>${n.replace("job_run.","")}</code></h2>
			<span class="quiet">
				<${O} at=${r} full /> · ${u.position}${" "}
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
		<details><summary>${u.data}</summary><${z} value=${$} label=${u.data} /></details>
	</li>`}var nr=500,Ri=5e3;function Ci({run:e,events:t}){let n=t[0]?.correlationId,s=x(async r=>n?k("/events",[["correlation",n],["limit",nr]],r):{data:t},[n],{newer:[e.status],everyMs:Ri});return o`<section class="card stack">
		<p class="quiet">${c.run.causesHint}</p>
		<${A} asked=${s}>
			${({data:r,meta:a})=>o`
				${a?.next&&o`<p class="note">${c.ofFirst(nr)}</p>`}
				<${rr} subjects=${Bs(r.filter(Ne))} current=${e.id} />
			`}
		<//>
	</section>`}function rr({subjects:e,current:t}){return o`<ul class="tree">
		${e.map(n=>o`<li key=${n.id}>
			<${Ni} subject=${n} isCurrent=${n.id===t} />
			${n.children.length>0&&o`<${rr} subjects=${n.children} current=${t} />`}
		</li>`)}
	</ul>`}function Ni({subject:e,isCurrent:t}){let{type:n,id:s,app:r,at:a,last:i,cause:l}=e,$=n==="job_run"?{view:"run",id:s}:r&&{view:"app",id:r},u=o`${n.replaceAll("_"," ")} <span class="id">${fe(s)}</span>`;return o`<span class=${t?"is-current":""} aria-current=${t?"true":void 0}>
			${$&&!t?o`<${S} to=${$}>${u}<//>`:u}
		</span>${" "}
		<span class="tag">${i}</span>${" "}
		<small>${l&&`${c.run.causedBy(l)} \xB7 `}<${O} at=${a} /></small>`}var Ii=["parameters","result","metrics","context"];function Li({run:e}){let{compare:t}=T.value;return o`<div class="cards pairs">
			${Ii.map(n=>o`<section class="card" key=${n}>
				<h2>${c.run[n]}</h2>
				<${z} value=${e[n]} label=${c.run[n]} />
			</section>`)}
		</div>
		<section class="card stack">
			<h2>${c.run.compare}</h2>
			<${Di} />
			${t&&o`<${Pi} run=${e} other=${t} key=${t} />`}
		</section>`}function Di(){let e=g(T.value.compare);return o`<form class="group" onSubmit=${n=>{n.preventDefault(),U({compare:e.value.trim()},{replace:!0})}}>
		<input class="id-input" aria-label=${c.run.compareId} placeholder=${c.run.compareId} value=${e.value}
			onInput=${W(e)} />
		<button>${c.run.compareGo}</button>
	</form>`}function Pi({run:e,other:t}){let n=x(s=>k(`/job-runs/${t}`,R.value,s),[t]);return o`<${A} asked=${n}>
		${({data:s})=>o`<${Hi} found=${Jt(e,s.run)} />`}
	<//>`}function Hi({found:e}){return e.length===0?o`<p>${c.run.same}</p>`:o`<${Ye} found=${e} />`}var qi={ArrowDown:1,ArrowUp:-1};function or({words:e,setWords:t,jobs:n}){let s=g(""),r=g(-1),a=g(!1),i=M(null),l=s.value.split(/\s+/).at(-1)??"",$=a.value?Ln(l,Ji(n)):[],u=m=>{s.value="",r.value=-1,t(et(m).reduce(tt,e))},d=m=>{let w=s.value.slice(0,s.value.length-l.length);/[^=]$/.test(m)?u(w+m):s.value=w+m,r.value=-1,i.current?.focus()},p=(m,w)=>{m.preventDefault(),d(w)},f=m=>{let w=qi[m.key];w&&$.length>0?(m.preventDefault(),r.value=Math.min(Math.max(r.value+w,-1),$.length-1)):m.key==="Enter"?(m.preventDefault(),$[r.value]?d($[r.value]):u(s.value)):m.key==="Escape"?(a.value=!1,r.value=-1):m.key==="Backspace"&&s.value===""&&e.length>0&&t(Dt(e,e.length-1))},h=m=>{s.value=m.target.value,r.value=-1,a.value=!0};return o`<div class="filter" role="search">
		<div class="filter-box">
			<${Y} name="filter" />
			${e.map((m,w)=>o`
				<${Fi} key=${Lt(m)} word=${m} remove=${()=>t(Dt(e,w))} />
			`)}
			<input ref=${i} data-filter role="combobox" aria-label=${c.runs.filter}
				aria-expanded=${$.length>0} aria-controls="filter-found" aria-autocomplete="list"
				aria-activedescendant=${r.value>=0?`filter-${r.value}`:void 0} autocomplete="off"
				placeholder=${e.length===0?c.runs.prompt:""}
				value=${s.value} onInput=${h} onKeyDown=${f} onFocus=${()=>a.value=!0}
				onBlur=${()=>a.value=!1} />
			${e.length>0&&o`<button
				class="plain" onClick=${()=>t([])} aria-label=${c.runs.clear} title=${c.runs.clear}>
				<${Y} name="close" />
			</button>`}
		</div>
		<ul role="listbox" id="filter-found" class="filter-found" aria-label=${c.runs.filter}
			hidden=${$.length===0}>
			${$.map((m,w)=>o`<li role="option" key=${m}
				id=${`filter-${w}`} aria-selected=${w===r.value}
				onMouseDown=${v=>p(v,m)}>
				${m}
			</li>`)}
		</ul>
	</div>`}function Fi({word:e,remove:t}){let n=Lt(e);return o`<span class="chip ${e[0].endsWith("!")?"is-negated":""}">
		${n}
		<button class="plain" onClick=${t} aria-label=${c.runs.remove(n)}><${Y} name="close" /></button>
	</span>`}function Ji(e){let t=e.flatMap(({parametersSchema:n})=>Object.keys(n?.properties??{}));return{jobs:e.map(({slug:n})=>n),parameters:[...new Set(t)].sort()}}var ar="created";function ir({words:e,sort:t}){let n=g(!1),s=M(null),r=i=>{U(i),n.value=!1,s.current?.focus()},a=({target:i})=>n.value=i.open;return o`<details class="menu" open=${n.value} onToggle=${a}>
		<summary ref=${s}>${c.savedViews.title}</summary>
		<div class="menu-box stack">${n.value&&o`<${Ui} words=${e} sort=${t} open=${r} />`}</div>
	</details>`}function Ui({words:e,sort:t,open:n}){let s=x(a=>k("/views",R.value,a),[]);I("views",s.again);let r=a=>ge.value=ge.value.filter(([i])=>i!==a);return o`
		<${A} asked=${s} lines=${2}>
			${({data:a})=>a.length>0&&o`
				<h2>${c.savedViews.everybodys}</h2>
				<ul class="saved-views">
					${a.map(i=>o`<${Bi} key=${i.name} view=${i} open=${n} again=${s.again} />`)}
				</ul>
			`}
		<//>
		${ge.value.length>0&&o`
			<h2>${c.savedViews.mine}</h2>
			<ul class="saved-views">
				${ge.value.map(([a,i,l=""])=>o`<li key=${a}>
					<button class="plain" title=${i} onClick=${()=>n({words:et(i),sort:l})}>
						<bdi>${a}</bdi>
					</button>
					<${lr} label=${c.savedViews.forget(a)} remove=${()=>r(a)} />
				</li>`)}
			</ul>
		`}
		<${Wi} shared=${s.answer?.data??[]} words=${e} sort=${t} again=${s.again} />
	`}function Bi({view:e,open:t,again:n}){let{name:s,filter:r,sort:a,savedBy:i,updatedAt:l}=e,$=In(r),u={words:$,sort:a===ar?"":a},d=async()=>{let p={title:c.savedViews.remove(s),text:c.savedViews.removeHint,action:c.savedViews.go};await ie(p)&&(await P(()=>ae("DELETE",cr(s)),c.savedViews.isDeleted(s)),n())};return o`<li>
		<button class="plain" title=${It($)} onClick=${()=>t(u)}><bdi>${s}</bdi></button>
		<small><bdi>${i}</bdi> · <${O} at=${l} /></small>
		${E.value&&o`<${lr} label=${c.savedViews.remove(s)} remove=${d} />`}
	</li>`}var lr=({label:e,remove:t})=>o`<button class="plain" aria-label=${e} title=${e} onClick=${t}><${Y} name="close" /></button>`;function Wi({shared:e,words:t,sort:n,again:s}){let r=g(""),a=g(!1),i=d=>{let p=ge.value.filter(([f])=>f!==d);return ge.value=[...p,[d,It(t),n]],!0},l=async d=>{let p=e.find(w=>w.name===d),f={title:c.savedViews.replace(d),text:c.savedViews.replaceHint,action:c.savedViews.goOn};if(p&&!await ie(f))return!1;let h={filter:Nn(t),sort:n||ar},m=await P(()=>ae("PUT",cr(d),h));return s(),m!==void 0},$=({target:d})=>a.value=d.value==="all";return o`<form class="group" onSubmit=${async d=>{d.preventDefault();let p=r.value.trim();await(E.value&&a.value?l:i)(p)&&(B(c.savedViews.isSaved(p)),r.value="")}}>
		<input
			required maxlength="100" pattern=".*\\S.*" aria-label=${c.savedViews.name} placeholder=${c.savedViews.name}
			value=${r.value} onInput=${W(r)} />
		${E.value&&o`<select
			aria-label=${c.savedViews.whose} value=${a.value?"all":"me"} onChange=${$}>
			<option value="me">${c.savedViews.forMe}</option>
			<option value="all">${c.savedViews.forEverybody}</option>
		</select>`}
		<button disabled=${t.length===0&&!n}>${c.savedViews.save}</button>
	</form>`}var cr=e=>`/views/${encodeURIComponent(e)}`;var Vi=50,ur=1e3;async function kt({words:e,sort:t},n,s){let r=de.peek().recent.runs,a=[...e,...R.value,["sort",t],["limit",Vi]],{rows:i,next:l}=await $e("/job-runs",a,n,s);return{rows:i.map(({run:$})=>$),next:l,known:r}}async function Gi(e,t,n){let s=await kt(e,null,n);if(!t?.newest||s.rows.length===0)return s;if(s.rows[0].id!==t.newest&&!e.sort){let r=await Yi(t.newest,n);r!==null&&(s={...await kt(e,r,n),hasNewer:!0})}for(;s.next!==null&&s.rows.length<Math.min(t.count,Ki);){let{rows:r,next:a}=await kt(e,s.next,n);s={...s,rows:[...s.rows,...r],next:a}}return{...s,stand:t}}var Ki=1e3;async function Yi(e,t){try{let{data:n}=await k(`/job-runs/${e}/events`,[["limit",1]],t);return n[0].position+1}catch(n){if(G(n).status===404)return null;throw n}}function zi(){let{words:e,sort:t}=T.value,n=JSON.stringify([e,t]),s=x(l=>Gi({words:e,sort:t},wn(),l),[n]),r=g(new Set),a=Xe(),i=l=>U({words:l});return F(()=>{r.value=new Set},[n,_.value]),o`
		<div class="screen-head">
			<h1>${c.runs.title}</h1>
			<div class="actions">
				<${ir} words=${e} sort=${t} />
				<${S} to=${{view:"bulk"}}>${c.views.bulk}<//>
			</div>
		</div>
		<${or} words=${e} setWords=${i} jobs=${a} />
		<${tl} words=${e} setWords=${i} />
		<div class="list-controls">
			<${rl} words=${e} selected=${r} />
			<${nl} sort=${t} />
		</div>
		<${A} asked=${s} lines=${10}>
			${l=>o`
				<${Zi} page=${l} asked=${s} words=${e} sort=${t} selected=${r} jobs=${a}
					key=${n+_.value} />
			`}
		<//>
	`}function Zi({page:e,asked:t,words:n,sort:s,selected:r,jobs:a}){let i=Q(e.rows,"runs",p=>p.id),l=K(()=>o`<${le} runs=${i} sort=${s} selected=${E.value?r:void 0} />`,[i,E.value]),$=Xi(e,t.isOld),u=()=>{yn(),t.again()};F(()=>{r.value=new Set(e.rows.map(({id:p})=>p).filter(p=>r.value.has(p)))},[e]);let d=o`<${Qi} page=${e} words=${n} sort=${s} jobs=${a} show=${u} />`;return i.length===0?o`${d}<${el} words=${n} />`:o`
		${d}
		<div ref=${$}>${l}</div>
		<${pe} asked=${t} load=${p=>kt({words:n,sort:s},p)} text=${c.older} />
	`}function Xi(e,t){let n=M(null),s=M({page:e,isOld:t});return s.current={page:e,isOld:t},F(()=>gn(()=>{let{page:{rows:r},isOld:a}=s.current;return a||!n.current?null:{newest:r[0].id,count:r.length,top:n.current.getBoundingClientRect().top}}),[]),ve(()=>{e.stand&&!t&&n.current&&scrollBy(0,n.current.getBoundingClientRect().top-e.stand.top)},[e.stand,t]),n}function Qi({page:e,words:t,sort:n,jobs:s,show:r}){let{known:a}=e,i=g({known:a,ids:new Set});i.value.known!==a&&(i.value={known:a,ids:new Set});let{runs:l,jobs:$}=de.value.recent;F(()=>{let{ids:f}=i.value;if(l===a||s.length===0||_.value!==""||f.size>=ur)return;let h=new Set(e.rows.map(b=>b.id)),m=new Map([...s,...$.values()].map(({slug:b,name:H})=>[b,H])),v=[...l.values()].filter(b=>a.get(b.id)!==b&&!h.has(b.id)&&Dn(b,{words:t,sort:n},e,H=>m.get(H))).filter(({id:b})=>!f.has(b));v.length>0&&(i.value={known:a,ids:new Set([...f,...v.map(({id:b})=>b)])})},[l,e,s]);let u=i.value.ids.size;if(u===0&&!e.hasNewer)return null;let d=e.hasNewer?c.runs.newest:Hn(t)?c.runs.fresh(u):c.runs.perhapsFresh,p=u<ur?d:c.runs.manyFresh;return o`<p class="pager"><button class="pill" onClick=${r}>${p}</button></p>`}function el({words:e}){return e.length>0?o`<${D} title=${c.runs.noMatch} hint=${c.runs.noMatchHint}>
		<button onClick=${()=>U({words:[]})}>${c.runs.clear}</button>
	<//>`:_.value?o`<${D} title=${c.runs.noneThen}>
		<button onClick=${()=>U({asOf:""})}>${c.past.back}</button>
	<//>`:o`<${D} title=${c.runs.empty} hint=${c.runs.emptyHint} command=${c.runs.emptyCommand} />`}function tl({words:e,setWords:t}){let n=Rn(),s=(e.find(([i])=>i==="status")?.[1]??"").split(",").filter(Boolean),r=e.every(([i])=>i==="status"),a=i=>{let l=s.includes(i)?s.filter(u=>u!==i):[...s,i],$=e.filter(([u])=>u!=="status");t(l.length>0?tt($,["status",l.join(",")]):$)};return o`<div class="status-filter" role="group" aria-label=${c.runs.columns.status}>
		${Qe.map(i=>o`<button
			key=${i} class="status status-${i}" aria-pressed=${s.includes(i)}
			onClick=${()=>a(i)}>
			<${Y} name=${i} />${i}
			${r&&n&&o`<span class="count">${xe(n[i])}</span>`}
		</button>`)}
	</div>`}function nl({sort:e}){let t=({target:n})=>U({sort:n.value});return o`<label class="inline">${c.runs.sort}
		<select value=${e} onChange=${t}>
			${Object.entries(c.runs.orders).map(([n,s])=>o`<option key=${n} value=${n}>${s}</option>`)}
		</select>
	</label>
	${e&&o`<small>${c.runs.onlyEnded}</small>`}`}var sl=4;function rl({words:e,selected:t}){let n=g("");if(!E.value)return null;let s=t.value.size;return o`<div class="selection">
		${s>0?o`<span>${c.runs.selected(s)}</span><${al} selected=${t} />`:o`<span>${c.runs.allMatching}:</span>
			${ol.map(r=>o`
				<button key=${r} onClick=${()=>n.value=r}>${c.bulk.actions[r]} …</button>
			`)}`}
		${n.value&&o`
			<${st} action=${n.value} words=${e} onClose=${()=>n.value=""} />
		`}
	</div>`}var ol=["cancel","retry","rerun"];function al({selected:e}){let t=async n=>{let s=[...e.value],r=await ie({title:c.bulk.title(n),text:c.runs.selected(s.length),action:c.bulk.go(c.bulk.actions[n],s.length),asksReason:n==="cancel"});if(!r)return;let a=n==="cancel"&&r.reason?{reason:r.reason}:void 0,i=await il(s,$=>N(`/job-runs/${$}/${n}`,a));e.value=new Set;let l=c.bulk.ofTicked(s.length-i.length,s.length);B([l,...i.slice(0,3)].join(`
`),{isWrong:i.length>0})};return o`
		<button class="danger" onClick=${()=>t("cancel")}>${c.bulk.actions.cancel} …</button>
		<button onClick=${()=>t("retry")}>${c.bulk.actions.retry} …</button>
		<button class="plain" onClick=${()=>e.value=new Set}>${c.runs.clearSelection}</button>
	`}async function il(e,t){let n=[...e],s=[],r=async()=>{for(let a=n.shift();a!==void 0;a=n.shift())try{await t(a)}catch(i){s.push(c.bulk.one(a,G(i).message))}};return await Promise.all(Array.from({length:sl},r)),s}var Je={d:864e5,h:36e5,min:6e4,s:1e3},$r=Object.keys(Je).reverse();function Ue(e){let t=Object.keys(Je).find(n=>e%Je[n]===0&&e>0)??"s";return{amount:String(e/Je[t]),unit:t}}var cn=({amount:e,unit:t})=>e===""?null:Math.round(Number(e)*Je[t]),dr="0 3 * * *",pr={amount:"1",unit:"h"},fr=e=>({id:"",job:"",rhythm:"cron",cron:dr,every:pr,timeZone:e,exclude:"",overlap:"skip",catchUp:Ue(6e4),jitter:Ue(0),startAt:"",endAt:"",pauseOnFailure:!1,parameters:{typed:void 0,raw:null}}),un=e=>({id:e.id,job:e.job,rhythm:e.everyMs===null?"cron":"every",cron:e.cron??dr,every:e.everyMs===null?pr:Ue(e.everyMs),timeZone:e.timeZone,exclude:e.exclude.join(`
`),overlap:e.overlap,catchUp:Ue(e.catchUpMs),jitter:Ue(e.jitterMs),startAt:e.startAt??"",endAt:e.endAt??"",pauseOnFailure:e.pauseOnFailure,parameters:{typed:e.parameters,raw:null}});function xt(e){let t=e.rhythm==="cron";return{...e.id&&{id:e.id},...e.job&&{job:e.job},cron:t?e.cron:null,everyMs:t?null:cn(e.every),timeZone:e.timeZone,exclude:e.exclude.split(`
`).map(n=>n.trim()).filter(Boolean),overlap:e.overlap,catchUpMs:cn(e.catchUp),jitterMs:cn(e.jitter),startAt:e.startAt||null,endAt:e.endAt||null,pauseOnFailure:e.pauseOnFailure}}function mr(e,{id:t,...n}){let s=e,r=([a,i])=>JSON.stringify(i)!==JSON.stringify(s[a]);return Object.fromEntries(Object.entries(n).filter(r))}function hr(e){let[,t,n,s]=/^(\S{10})T(\d\d:\d\d:\d\d)(?:\.\d+)?(.+)$/.exec(e)??[];return`${new Date(`${t}T00:00:00Z`).toUTCString().slice(0,3)} ${t} ${n} ${s}`}var ll=["Sunday","Monday","Tuesday","Wednesday","Thursday","Friday","Saturday","Sunday"];function Te({cron:e,everyMs:t,timeZone:n}){let s=c.schedules;if(t)return s.every(C(t));let r=n==="UTC"?"":` ${s.zone(n)}`,a=e??"";return(cl(a)??a)+r}function cl(e){let t=e.trim().split(/\s+/);if(t.length!==5)return null;let[n,s,r,a,i]=t,l=c.schedules,$=r==="*"&&a==="*",u=/^\*\/(\d+)$/.exec(n);if(u&&60%Number(u[1])===0&&s==="*"&&$&&i==="*")return l.every(`${u[1]} min`);if(e==="* * * * *")return l.every("1 min");if(!/^\d+$/.test(n)||!$)return null;if(s==="*"&&i==="*")return`${l.every("1 h")}, ${l.at(`:${n.padStart(2,"0")}`)}`;if(!/^\d+$/.test(s))return null;let p=l.at(`${s.padStart(2,"0")}:${n.padStart(2,"0")}`);return i==="*"?`${l.daily} ${p}`:i==="1-5"?`${l.weekdays} ${p}`:/^[0-7]$/.test(i)?`${l.every(ll[Number(i)])} ${p}`:null}var ul=["skip","buffer_one","buffer_all","cancel_other","terminate_other","allow_all"],Ot=new Map;function $l(e){let t=e?.id??"",n=Ot.get(t),s=n&&dl(n)&&n.before?.version!==e?.version;if(n&&!s)return n;let r={draft:ue(e?un(e):fr(Be())),before:e};return Ot.set(t,r),r}var dl=({draft:e,before:t})=>t&&JSON.stringify(e.value)===JSON.stringify(un(t));function At({schedule:e}){let t=c.schedules.form,n=e?.id??"",{draft:s,before:r}=$l(e),a=g({message:"",issues:[]}),i=Xe(),l=s.value.job||i.length===0?s.value:{...s.value,job:i[0].slug},$=ml(l),u=[...a.value.issues,...$.error?.issues??[]],d=m=>{s.value={...l,...m};let w=Object.keys(m).map(b=>`/${pl[b]??b}`),v=({path:b})=>w.every(H=>b!==H&&!b.startsWith(`${H}/`));a.value={message:"",issues:a.value.issues.filter(v)}},p=()=>{Ot.delete(n),J(e?{view:"schedule",id:n}:{view:"schedules"})},f=async m=>{m.preventDefault();let w=i.find(({slug:b})=>b.toLowerCase()===l.job.toLowerCase()),v=vt(l.parameters,w);try{if(!v)throw new Error(c.jobs.badJson);let b=await fl(r,{...xt(l),parameters:v});Ot.delete(n),B(t.saved(b.id)),J({view:"schedule",id:b.id})}catch(b){let{code:H,message:oe,issues:te=[]}=G(b);a.value={message:oe,issues:H==="schedule_exists"?[{path:"/id",message:oe}]:te},Kt(m.target)}},h={draft:l,issues:u,set:d};return o`<form class="stack" onSubmit=${f} noValidate>
		${e?.owner&&o`<p class="note">${t.owned(e.owner)}</p>`}
		${e&&e.version!==r?.version&&o`<p class="note" role="status">${t.newer(e.version)}</p>`}
		<div class="cards">
			<section class="card stack"><h2>${t.what}</h2><${vl} ...${h} jobs=${i} isNew=${!e} isWrong=${a.value.message===c.jobs.badJson} /></section>
			<section class="card stack"><h2>${c.schedules.columns.when}</h2><${bl} ...${h} /></section>
			<div class="stack">
				<section class="card stack"><h2>${t.next}</h2><${hl} draft=${l} ...${$} /></section>
				<section class="card stack"><h2>${t.rules}</h2><${wl} ...${h} /></section>
			</div>
		</div>
		${a.value.message&&o`<p class="problem" role="alert">${a.value.message}</p>`}
		<div class="actions">
			<button class="main">${e?t.save:c.schedules.create}</button>
			<button type="button" onClick=${p}>${t.discard}</button>
		</div>
	</form>`}var pl={rhythm:"cron",every:"everyMs",catchUp:"catchUpMs",jitter:"jitterMs"};async function fl(e,t){if(!e)return(await N("/schedules",t)).data;let n=mr(e,t);return(await ae("PATCH",`/schedules/${e.id}`,n)).data}function ml(e){let t=Se(JSON.stringify(xt(e))),{answer:n,error:s}=x(()=>N("/schedules/preview",JSON.parse(t)),[t]);return{ticks:n?.data,error:s}}function hl({draft:e,ticks:t,error:n}){return o`<div class="stack" role="status">
		<p>${Te(xt(e))}</p>
		${n&&o`<p class="problem">${n.message}</p>`}
		${t&&o`<${dn} ticks=${t} />`}
	</div>`}function dn({ticks:e}){let t=c.schedules.form;return e.length===0?o`<p class="note">${t.never}</p>`:o`<ol class="coming">
		${e.map(({dueAt:n,firesAt:s,isExcluded:r})=>o`<li key=${n}>
			<time datetime=${n}>${hr(n)}</time>${" "}
			${r&&o`<span class="tag">${c.schedules.excluded}</span>`}
			${Date.parse(s)>Date.parse(n)&&o`<small>${t.late(C(Date.parse(s)-Date.parse(n)))}</small>`}
		</li>`)}
	</ol>`}function vl({draft:e,issues:t,set:n,jobs:s,isNew:r,isWrong:a}){let i=c.schedules.form,l=u=>({target:d})=>n({[u]:d.value}),$=s.find(({slug:u})=>u.toLowerCase()===e.job.toLowerCase());return o`
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
			<${Yt} key=${$.slug} job=${$} draft=${e.parameters} issues=${t} isWrong=${a}
				onChange=${u=>n({parameters:u})} />
			${St(t,"parameters").map(u=>o`<p class="problem" key=${u}>${u}</p>`)}
		</fieldset>`}
	`}function bl({draft:e,issues:t,set:n}){let s=c.schedules.form,r=e.rhythm==="cron",a=(u,d)=>o`<label class="check">
		<input type="radio" name="rhythm" checked=${e.rhythm===u} onChange=${()=>n({rhythm:u})} />${d}
	</label>`,i=u=>d=>n({[u]:d}),l=u=>({target:d})=>i(u)(d.value),$=u=>d=>o`<${zt} common=${d} value=${e[u]} set=${l(u)} onChange=${i(u)} />`;return o`
		<div class="group" role="radiogroup" aria-label=${c.schedules.columns.when}>
			${a("cron",s.byCron)}${a("every",s.byInterval)}
		</div>
		${r?o`<${me} name="cron" title=${s.cron} hint=${s.cronHint} issues=${t}>
				${u=>o`<input ...${u} class="id" value=${e.cron} onInput=${l("cron")} />`}
			<//>`:o`<${$n} name="everyMs" also="cron" title=${s.every} value=${e.every} issues=${t}
				onChange=${i("every")} />`}
		<${me} name="timeZone" title=${c.schedules.timeZone} hint=${r?"":s.zoneOfInterval} issues=${t}>
			${u=>o`<input ...${u} list="time-zones" value=${e.timeZone} onInput=${l("timeZone")} />
				<datalist id="time-zones">${gl().map(d=>o`<option key=${d}>${d}</option>`)}</datalist>`}
		<//>
		<${me} name="startAt" title=${s.start} hint=${r?"":s.startOfInterval} issues=${t}>
			${$("startAt")}
		<//>
		<${me} name="endAt" title=${s.end} issues=${t}>
			${$("endAt")}
		<//>
		<${me} name="exclude" title=${s.exclude} hint=${s.excludeHint} issues=${t}>
			${u=>o`
				<textarea ...${u} class="growing" rows="2" value=${e.exclude} onInput=${l("exclude")}></textarea>
			`}
		<//>
		<${$n} name="jitterMs" title=${s.jitter} hint=${s.jitterHint} value=${e.jitter} issues=${t}
			onChange=${i("jitter")} />
	`}var gl=()=>Intl.supportedValuesOf?.("timeZone")??[];function wl({draft:e,issues:t,set:n}){let s=c.schedules.form,r=({target:a})=>n({pauseOnFailure:a.checked});return o`
		<fieldset>
			<legend>${c.schedules.overlap}</legend>
			${ul.map(a=>o`<label class="check" key=${a}>
				<input type="radio" name="overlap" checked=${e.overlap===a} onChange=${()=>n({overlap:a})} />
				${a.replaceAll("_"," ")}<small>${c.schedules.overlaps[a]}</small>
			</label>`)}
			${St(t,"overlap").map(a=>o`<p class="problem" key=${a}>${a}</p>`)}
		</fieldset>
		<${$n} name="catchUpMs" title=${s.catchUp} hint=${s.catchUpHint} value=${e.catchUp} issues=${t}
			onChange=${a=>n({catchUp:a})} />
		<label class="check">
			<input type="checkbox" checked=${e.pauseOnFailure} onChange=${r} />
			${s.pauseOnFailure}
		</label>
	`}function St(e,t){let n=e.filter(({path:s})=>s===`/${t}`||t==="exclude"&&s.startsWith("/exclude/"));return[...new Set(n.map(({path:s,message:r})=>{let a=s.split("/")[2];return a===void 0?r:`${Number(a)+1}: ${r}`}))]}function me({name:e,also:t,title:n,hint:s,issues:r,children:a}){let i=[...St(r,e),...t?St(r,t):[]],l=`schedule-${e}`,$=[s&&`${l}-hint`,i.length>0&&`${l}-wrong`].filter(Boolean).join(" ")||void 0,u={id:l,"aria-describedby":$,"aria-invalid":i.length>0?"true":void 0};return o`<div class="field">
		<label for=${l}>${n}</label>
		${a(u)}
		${s&&o`<small id=${`${l}-hint`}>${s}</small>`}
		${i.length>0&&o`<p class="problem" id=${`${l}-wrong`}>${i.join("; ")}</p>`}
	</div>`}function $n({value:e,onChange:t,...n}){let s=r=>({target:a})=>t({...e,[r]:a.value});return o`<${me} ...${n}>
		${r=>o`<div class="group">
			<input ...${r} class="amount" type="number" min="0" step="any" value=${e.amount} onInput=${s("amount")} />
			<select aria-label=${c.schedules.form.unitOf(n.title)} value=${e.unit} onChange=${s("unit")}>
				${$r.map(a=>o`<option key=${a} value=${a}>${c.schedules.form.units[a]}</option>`)}
			</select>
		</div>`}
	<//>`}var vr=100;async function jt(e,t,n){let s=[];for(let i=0;i<e.length;i+=vr)s.push(e.slice(i,i+vr));let a=(await Promise.all(s.map(i=>k("/job-runs/by-schedule",[["schedule",i.join(",")],["last",t]],n)))).flatMap(({data:i})=>i);return new Map(a.map(i=>[i.schedule,i]))}var yl=({status:e})=>e==="pending"||e==="running",kl=({status:e})=>e==="failed"||e==="expired";function Mt(e){let t=e?.last.find(n=>!yl(n));return t&&kl(t)?t:void 0}var Et=({run:e})=>o`<${S} to=${{view:"run",id:e.id}}>
	<${j} status="failed" label=${c.schedules.lastFailed} /><//>`;function Tt({runs:e}){return e?e.last.length===0?o`<span class="quiet">${c.schedules.runs.none}</span>`:o`<span class="strip">
		${e.last.toReversed().map(({id:t,status:n,createdAt:s})=>{let r=`${c.status(n)}, ${ee(s)}`;return o`<${S} key=${t} to=${{view:"run",id:t}} class="status-${De(n)}" aria-label=${r} title=${r}>
				<${Y} name=${De(n)} />
			<//>`})}
	</span>`:o`<span class="quiet">–</span>`}function _t({id:e,runs:t}){let n=c.schedules.runs;if(!t)return null;let{succeeded:s,failed:r,expired:a}=t.counts,i=r+a,l=s+i;if(l===0)return o`<span class="quiet">–</span>`;let $=[["actor",`schedule:${e}`]],u=[["createdAfter",t.since]];return o`<${S} to=${{view:"runs",words:[...$,...u]}}>${n.rate(s,l)}<//>
		${i>0&&o` · <${S} to=${{view:"runs",words:[["status","failed,expired"],...$,...u]}}>
			<strong class="worse">${n.failed(i)}</strong><//>`}
		${Ol(t)&&o` <small>${n.since(ee(t.since))}</small>`}`}var xl=864e5,Ol=({since:e})=>We.value-Date.parse(e)<6.9*xl;var Sl=10,Al=100,jl=20;function Ml(){let{id:e}=T.value,t=x(async n=>{let[{data:s},{data:r}]=await Promise.all([k(`/schedules/${e}`,[],n),k(`/schedules/${e}/preview`,[["n",Sl]],n)]),[a,i]=await Promise.all([Tl(e,n),jt([s.id],Al,n)]);return{schedule:s,preview:r,ticks:a,runs:i.get(s.id)}},[e]);return I("schedules",t.again,n=>n.has(e)),I("runs",t.again,n=>[...n.values()].some(({requestedBy:s})=>s===`schedule:${e}`)),o`<${A} asked=${t} lines=${8} list="schedules">
		${n=>T.value.tab==="edit"?o`<${El} schedule=${n.schedule} />`:o`<${_l} ...${n} again=${t.again} />`}
	<//>`}function El({schedule:e}){return o`<div class="screen-head"><h1>${c.schedules.edit} ${e.id}</h1></div>
		${E.value?o`<${At} schedule=${e} key=${e.id} />`:o`<${we} />`}`}async function Tl(e,t){let n=i=>$e(`/schedules/${e}/ticks`,[["limit",100]],i,t),s=0,r=await n(s),a=r.next&&(await k("/job-runs/counts",[],t)).meta.position;for(;r.next&&a>1;){a=Math.ceil(a/2);let i=await n(s+a);i.next&&(s+=a),i.rows.length>0&&(r=i)}return r.rows.reverse()}function _l({schedule:e,preview:t,ticks:n,runs:s,again:r}){let a=c.schedules,i=Mt(s);return o`<div class="screen-head">
			<div><h1>${e.id}</h1><p>${Te(e)} · <${Z} slug=${e.job} /></p></div>
			${E.value&&o`<${Nl} schedule=${e} again=${r} />`}
		</div>
		${e.paused&&o`<p class="note"><${j} status="paused" /> <bdi>${e.paused.reason??""}</bdi></p>`}
		<section class="card stack">
			<div class="screen-head">
				<h2>${a.runs.title}</h2>
				${i&&o`<${Et} run=${i} />`}
				<div class="actions"><${S} to=${{view:"runs",words:[["actor",`schedule:${e.id}`]]}}>${a.runs.all}<//></div>
			</div>
			<${Tt} runs=${s&&{...s,last:s.last.slice(0,jl)}} />
			<p>${a.runs.week}: <${_t} id=${e.id} runs=${s} /></p>
		</section>
		<div class="cards">
			<section class="card stack">
				<h2>${a.next}</h2>
				<${dn} ticks=${t} />
			</section>
			<section class="card stack">
				<h2>${c.run.parameters}</h2>
				<${z} value=${e.parameters} label=${c.run.parameters} />
			</section>
		</div>
		<${Rl} schedule=${e} />
		<section class="stack"><h2>${a.past}</h2><${Cl} ticks=${n} runs=${s?.last??[]} /></section>`}function Rl({schedule:e}){let t=c.schedules,{overlap:n,jitterMs:s,catchUpMs:r,startAt:a,endAt:i,exclude:l,pauseOnFailure:$,owner:u}=e,d=[[t.overlap,t.overlaps[n]],[t.facts.catchUp,C(r)],[t.facts.pauseOnFailure,$?t.yes:t.no],[t.facts.jitter,s>0&&C(s)],[t.facts.start,a&&o`<${O} at=${a} full />`],[t.facts.end,i&&o`<${O} at=${i} full />`],[t.facts.exclude,l.length>0&&l.map(p=>o`<code key=${p}>${p}</code> `)],[t.facts.owner,u]];return o`<dl class="facts card">
		${d.filter(([,p])=>p).map(([p,f])=>o`<div key=${p}><dt>${p}</dt><dd>${f}</dd></div>`)}
	</dl>`}function Cl({ticks:e,runs:t}){let n=new Map(t.map(({id:i,status:l})=>[i,l])),s=c.schedules;if(e.length===0)return o`<p class="quiet">${s.noTicks}</p>`;let r=[{name:"first",title:s.due,cell:({dueAt:i,lastDueAt:l,ticks:$})=>o`<${O} at=${i} />${$>1&&o` – <${O} at=${l} />`}`},{name:"status",title:s.outcome,cell:({outcome:i,ticks:l})=>o`<span class="tag">${i}</span> ${l>1&&`\xD7 ${l}`}`},{name:"why",title:s.why,cell:({reason:i,cause:l})=>i??l},{name:"run",title:c.runs.columns.run,cell:({runId:i})=>i&&o`<${L} id=${i} /> ${n.has(i)&&o`<${j} status=${n.get(i)} />`}`}],a=({position:i})=>i;return o`<${X} label=${s.past} rows=${e} keyOf=${a} columns=${r} />`}function Nl({schedule:e,again:t}){let n=c.schedules,s=`/schedules/${e.id}`,r=M(se()),a=async()=>{let l=await P(()=>N(`${s}/trigger`,void 0,{"Idempotency-Key":r.current}));l&&(r.current=se(),B(c.jobs.launched(l.data.id)))};return o`<div class="actions">
		<button class="danger" onClick=${async()=>{let l={title:n.removeTitle(e.id),text:n.removeText(e.id),action:n.remove};await ie(l)&&await P(()=>ae("DELETE",s),n.removed(e.id))&&J({view:"schedules"},{replace:!0})}}>${n.remove} …</button>
		<button onClick=${()=>J({view:"schedule",id:e.id,tab:"edit"})}>${n.edit}</button>
		<${Ze} paused=${e.paused} name=${e.id} path=${s} text=${n.pauseText} again=${t} />
		<${Il} path=${s} again=${t} />
		<button class="main" onClick=${a}>${n.trigger}</button>
	</div>`}function Il({path:e,again:t}){let n=c.schedules,s=g(""),r=g(""),a=async i=>{i.preventDefault();let l=d=>new Date(d).toISOString(),$=l(s.value),u=0;for(;$;){let d=await P(()=>N(`${e}/backfill`,{from:$,to:l(r.value)}));if(!d)return t();u+=d.data.runs.length,$=d.data.continueFrom}B(n.filled(u)),t()};return o`<details class="menu">
		<summary>${n.backfill}</summary>
		<form class="menu-box stack" onSubmit=${a}>
			<label>${n.from}<input type="datetime-local" step="1" required value=${s.value} onInput=${W(s)} /></label>
			<label>${n.to}<input type="datetime-local" step="1" required value=${r.value} onInput=${W(r)} /></label>
			<small>${c.zone(Be())}</small>
			<button>${n.backfill}</button>
		</form>
	</details>`}function Ll(){return T.value.tab==="new"?o`<${Dl} />`:o`<${Pl} />`}function Dl(){return o`<div class="screen-head"><h1>${c.schedules.create}</h1></div>
		${E.value?o`<${At} />`:o`<${we} />`}`}function Pl(){let e=x(t=>ne("/schedules",R.value,t),[]);return I("schedules",e.again),o`<div class="screen-head">
			<h1>${c.schedules.title}</h1>
			${E.value&&o`<div class="actions">
				<button class="main" onClick=${()=>J({view:"schedules",tab:"new"})}>${c.schedules.create}</button>
			</div>`}
		</div>
		<${A} asked=${e}>${t=>o`<${Jl} schedules=${t} />`}<//>`}var Hl=8,ql=1e4;function Fl(e){let t=e.map(({id:s})=>s);return x(async s=>_.value?null:jt(t,Hl,s),[t.join(",")],{everyMs:ql}).answer??(_.value?null:new Map)}function Jl({schedules:e}){let t=Fl(e),n=c.schedules.columns;if(e.length===0)return o`<${D}
			title=${c.schedules.empty} hint=${c.schedules.emptyHint} command=${c.schedules.emptyCommand} />`;let s=[{name:"first",title:n.schedule,cell:({id:r,job:a})=>o`<${S} to=${{view:"schedule",id:r}}><strong>${r}</strong><//>${" "}
					<small><${Z} slug=${a} /></small>`},{name:"when",title:n.when,cell:r=>Te(r)},{name:"next",title:n.next,cell:({nextAt:r,paused:a})=>a&&!t?o`<${j} status="paused" />`:o`<${O} at=${a?null:r} />`}];return t?s.push(...Ul(t)):s.push({name:"last",title:n.last,cell:({lastTick:r})=>o`<${br} tick=${r} />`}),o`<${X} label=${c.schedules.title} rows=${e} keyOf=${({id:r})=>r} columns=${s} />`}function Ul(e){let t=c.schedules.columns;return[{name:"state",title:t.state,cell:n=>o`<${Bl} schedule=${n} runs=${e.get(n.id)} />`},{name:"runs",title:t.runs,cell:({id:n})=>o`<${Tt} runs=${e.get(n)} />`},{name:"week",title:t.week,cell:({id:n})=>o`<${_t} id=${n} runs=${e.get(n)} />`}]}function Bl({schedule:e,runs:t}){let{paused:n,lastTick:s}=e,r=Mt(t),a=s?.outcome==="skipped"&&s.reason!=="paused";return o`
		${r&&o`<${Et} run=${r} />`}
		${n&&o` <${j} status="paused" />`}
		${t&&!r&&!n&&o`<${j} status="ready" label=${c.schedules.active} />`}
		${a&&o` <small><${br} tick=${s} /></small>`}
	`}function br({tick:e}){return e?o`<span class="tag">${e.outcome}</span>${" "}
		<small><${O} at=${e.dueAt} /></small>${" "}
		${e.runId?o`<${L} id=${e.runId} />`:o`<small>${e.reason?.replaceAll("_"," ")??""}</small>`}`:o`<span class="quiet">–</span>`}var Wl=3e3;function Vl(){let e=x(t=>ne("/workers",[],t),[],{everyMs:Wl});return o`<div class="screen-head"><h1>${c.workers.title}</h1></div>
		<${A} asked=${e}>${t=>o`<${Gl} workers=${t} again=${e.again} />`}<//>`}function Gl({workers:e,again:t}){let n=c.workers.columns;if(e.length===0)return o`<${D}
			title=${c.workers.empty} hint=${c.workers.emptyHint} command=${c.overview.startWorker} />`;let s=[{name:"first",title:n.worker,cell:({id:r,host:a,pid:i})=>o`<strong class="id">${r}</strong> <small>${c.workers.at(a,i)}</small>
				<${S} to=${{view:"runs",words:[["worker",r]]}}>${c.workers.runs}<//>`},{name:"status",title:n.state,cell:({state:r})=>o`<${j} status=${r} />`},{name:"slots",title:n.slots,cell:({busy:r,slots:a,sharedBusy:i,sharedSlots:l})=>o`<meter min="0" max=${a} value=${r} aria-label=${c.overview.slots(r,a)}>
					</meter>${" "}
					<small>${c.overview.slots(r,a)}</small>
					${l>0&&o`<br /><small>${c.workers.shared(i,l)}</small>`}`},{name:"labels",title:n.labels,cell:({labels:r})=>Object.entries(r).map(([a,i])=>o`
				<span class="tag" key=${a}>${a}=${i}</span>${" "}
			`)},{name:"handlers",title:n.handlers,cell:({entryPoints:r})=>o`<${Kl} names=${r} />`},{name:"beat",title:n.beat,cell:({lastBeatAt:r})=>o`<${O} at=${r} />`},{name:"version",title:n.version,cell:({version:r})=>r},{name:"action",title:c.actions,isTitleHidden:!0,cell:r=>r.state==="alive"&&E.value&&o`<button onClick=${()=>Yl(r,t)}>${c.workers.drain} …</button>`}];return o`<${X} label=${c.workers.title} rows=${e} keyOf=${({id:r})=>r} columns=${s} />`}function Kl({names:e}){return e===null?c.workers.any:o`<details>
		<summary>${c.workers.handlers(e.length)}</summary>
		<ul>${e.map(t=>o`<li key=${t}><code>${t}</code></li>`)}</ul>
	</details>`}async function Yl({id:e},t){let n=c.workers;await ie({title:`${n.drain} ${e}`,text:n.drainText,action:n.drain})&&await P(()=>N(`/workers/${e}/drain`).then(t),n.drained)}export{gr as app,Ar as apps,Ir as bulk,Mo as failures,$a as job,Sa as jobs,Da as log,vi as run,zi as runs,Ml as schedule,Ll as schedules,Vl as workers};
