import { randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { addTenant } from '../support/agents/tool-agents.ts'
import { hasBrowser } from '../support/people/browser.ts'
import { findInjected, injections } from '../support/people/injections.ts'
import { signUp, signUpAsMember } from '../support/people/people.ts'
import { useWebPage } from '../support/people/web-page.ts'
import { connectOwner } from '../support/stack/database.ts'

const sql = connectOwner()
const skips = !hasBrowser && !process.env.CI

/** Views that every member has. */
const ofMembers = [
  ...['members', 'keys', 'agents', 'models', 'prompts', 'servers', 'usage', 'budgets'],
  'executions',
]

describe.skipIf(skips)('the console', { timeout: 240_000 }, () => {
  const page = useWebPage()

  test.each(['desktop', 'phone'] as const)(
    'on a %s shows an owner the views of members, without a violation of accessibility or a foreign width',
    async (screen) => {
      const ann = await addTenant(sql)
      const person = await page.open(screen)
      await person.signsIn(ann.person)
      for (const view of ofMembers) {
        await person.opensView(view)
        expect([view, await person.problem()]).toEqual([view, null])
        expect([view, await person.violations()]).toEqual([view, []])
        const overflow = 'return document.documentElement.scrollWidth - innerWidth'
        expect(await person.browser.run(overflow)).toBeLessThanOrEqual(0)
      }
      expect(await person.reported()).toEqual([])
    },
  )

  test('an owner invites, changes and removes members', async () => {
    const ann = await addTenant(sql)
    const member = await signUpAsMember(sql, ann.person.organization)
    const person = await page.open()
    await person.signsIn(ann.person)
    await person.opensView('members')
    await person.clicks('Invite')
    expect(await person.violations()).toEqual([])
    const email = `${randomUUID()}@example.com`
    await person.fills('Invite a person', { email })
    await person.says('Copy it now')
    await person.says(email)
    await person.clicks('Revoke', email)
    await person.clicks('Revoke')
    await person.closed()
    await person.says('No invitation waits.')

    await person.clicks('Change', member.email)
    await person.choosesIn('dialog [name=role]', 'admin')
    await person.browser.click('dialog [value="billing.manage"]')
    await person.clicks('Save')
    await person.closed()
    await person.says('billing.manage')
    const [row] = await sql`select role, permissions from client_mgmt.client_users
      where user_id = ${member.id}`
    expect(row).toEqual({ role: 'admin', permissions: ['billing.manage'] })
    await person.clicks('Remove', member.email)
    await person.clicks('Remove')
    await person.closed()
    await person.browser.until(`!document.body.innerText.includes('${member.email}')`)
    // The last owner stays one: the refusal is a sentence.
    await person.clicks('Change', ann.person.email)
    await person.choosesIn('dialog [name=role]', 'member')
    await person.clicks('Save')
    await person.browser.until(`document.querySelector('dialog [role=alert]')`)
    expect(await person.problem()).toMatch(/^[A-Z][^{}_]+\.$/)
  })

  test('a key is shown once, works, and ends when it is revoked', async () => {
    const ann = await addTenant(sql)
    const person = await page.open()
    await person.signsIn(ann.person)
    await person.opensView('keys')
    await person.clicks('New key')
    await person.fills('New key', { name: 'shop' })
    await person.says('Copy it now')
    const key = await person.browser.run<string>(
      `return document.querySelector('.secret code').innerText`,
    )
    const models = () =>
      fetch(`${page.model.baseURL}/models`, { headers: { authorization: `Bearer ${key}` } })
    expect((await models()).status).toBe(200)
    await person.browser.run('location.reload()')
    await person.says('shop')
    expect(await person.browser.run(`return document.body.innerText`)).not.toContain(key)
    await person.clicks('Revoke', 'shop')
    await person.clicks('Revoke')
    await person.closed()
    await person.says('ended')
    expect((await models()).status).toBe(401)
  })

  test('the keyboard opens a dialog, stays in it, and comes back to its button', async () => {
    const ann = await addTenant(sql)
    const person = await page.open()
    const { browser } = person
    await person.signsIn(ann.person)
    await person.opensView('keys')
    const focused = `document.activeElement`
    await browser.run(`[...document.querySelectorAll('.sections button')]
      .find((one) => one.innerText === 'New key').focus()`)
    await browser.type(':focus', '\uE007')
    await browser.until(`document.querySelector('dialog[open]')`)
    for (let tabs = 0; tabs < 12; tabs += 1) {
      await browser.type(':focus', '\uE004')
      expect(
        await browser.run(`return ${focused} === document.body ||
        ${focused}.closest('dialog') !== null`),
      ).toBe(true)
      if (await browser.run(`return ${focused} === document.body`)) break
    }
    await browser.run(`document.querySelector('dialog input').focus()`)
    await browser.type(':focus', '\uE00C')
    await person.closed()
    expect(await browser.run(`return ${focused}.innerText`)).toBe('New key')
  })

  test('verifies the chain of the audit log, and names the event that was changed', async () => {
    const ann = await addTenant(sql)
    const { id } = ann.person.organization
    const person = await page.open()
    await person.signsIn(ann.person)
    await person.opensView('audit')
    await person.clicks('Verify the chain')
    await person.says('The log is whole')
    await sql.begin(async (tx) => {
      await tx`alter table public.audit_logs disable trigger user`
      await tx`update public.audit_logs set payload = replace(payload, 'a', 'b')
        where organization_id = ${id} and sequence = 2`
      await tx`alter table public.audit_logs enable trigger user`
    })
    await person.clicks('Verify the chain')
    await person.says('The log was changed: event 2')
  })

  test('an administrator of the platform suspends and resumes an organization with a reason', async () => {
    const ann = await addTenant(sql)
    const operator = await signUp('operator')
    await sql`insert into public.platform_admins (user_id, email, name)
      values (${operator.id}, ${operator.email}, 'Operator')`
    const { slug, id } = ann.person.organization
    const person = await page.open()
    await person.fills('Sign in', { email: operator.email, password: operator.password })
    await person.browser.until(`document.querySelector('form[aria-label="New organization"]')`)
    await person.opensView('platform')
    expect(await person.violations()).toEqual([])
    await person.clicks('Suspend', slug)
    await person.browser.type('dialog [name=reason]', 'The bill is not paid.')
    await person.clicks('Suspend')
    await person.closed()
    await person.clicks('Resume', slug)
    const active = async () =>
      (await sql`select is_active from public.organizations where id = ${id}`)[0]
        ?.is_active as unknown
    expect(await active()).toBe(false)
    await person.browser.type('dialog [name=reason]', 'The bill is paid now.')
    await person.clicks('Resume')
    await person.closed()
    await expect.poll(active).toBe(true)
  })

  test('runs nothing of what colleagues, tools and models wrote, in any view', async () => {
    const ann = await addTenant(sql)
    const { id, organization } = ann.person
    const texts = injections('http://127.0.0.1:9')
    const all = texts.join('\n\n')
    const [html = ''] = texts
    const of = { organization_id: organization.id }
    await sql`update public.organizations set name = ${html} where id = ${organization.id}`
    await sql`update public.users set display_name = ${html} where id = ${id}`
    await sql`update public.agents set instructions = ${all}, description = ${html}
      where name = ${ann.agent} and organization_id = ${organization.id}`
    await sql`insert into public.system_prompts ${sql({ ...of, scope: 'organization', content: all })}`
    await sql`insert into client_mgmt.prompts ${sql({ ...of, name: html, template: all.replaceAll('{{', '{') })}`
    await sql`insert into conversation.lens_prototypes ${sql({ ...of, name: html, prompt_template: all.replaceAll('{{', '{') })}`
    await sql`insert into client_mgmt.projects ${sql({ ...of, name: html })}`
    const person = await page.open()
    await person.signsIn(ann.person)
    for (const view of [...ofMembers, 'audit']) {
      await person.opensView(view)
      expect([view, await person.browser.run(findInjected)]).toEqual([view, []])
    }
    expect(await person.browser.run(`return document.body.innerText`)).toContain('<script>')
    expect(await person.reported()).toEqual([])
  })
})
