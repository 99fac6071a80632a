import { MultiSelect } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { useController, useForm } from "react-hook-form";

import { updateIssuers } from "../../api/settings";
import { Check, Tags, Text, useProblem } from "../../components/fields";
import { FormDialog } from "../../components/FormDialog";
import { useUnsaved } from "../../components/LeaveDialog";
import { done } from "../../components/notices";
import { fieldOf, placeProblems } from "../../components/placeProblems";
import { issuerForm, issuerOf } from "../../domain/claims";
import { fieldMessage, resolverOf } from "../../domain/resolver";
import { Grants } from "./Grants";

import type { ApiError } from "../../api/client";
import type { Schemas } from "../../api/schemas";
import type { Issuers } from "../../api/types";
import type { IssuerForm } from "../../domain/claims";
import type { FieldMessage } from "../../domain/resolver";
import type { FieldPath } from "react-hook-form";

interface Props {
  list: Issuers;
  /** Which one; the length of the list is a new one. */
  at: number;
  schemas: Schemas;
  onClose: () => void;
  onSaved: (list: Issuers) => void;
}

function problemsOf(form: IssuerForm, others: string[], schemas: Schemas): FieldMessage[] {
  const found: FieldMessage[] = [];
  if (form.issuer.trim() === "") found.push({ name: "issuer", message: "Enter the issuer's URL." });
  if (others.includes(form.issuer.trim()))
    found.push({ name: "issuer", message: "This issuer is in the list already." });
  if (form.cloudflare_access && form.audiences.length === 0)
    found.push({ name: "audiences", message: "Cloudflare Access needs the application's AUD tag." });
  if (form.grants.length === 0) found.push({ name: "grants", message: "Without a grant its tokens may do nothing." });
  form.grants.forEach((g, i) => {
    const [claim, value] = [g.claim.trim(), g.value.trim()];
    if (claim !== "" && value === "")
      found.push({ name: `grants.${i}.value`, message: `Enter the value that ${claim} must have.` });
    if (claim === "" && value !== "") found.push({ name: `grants.${i}.claim`, message: "Name the claim." });
    if (claim === "" && g.role !== "caller" && !form.cloudflare_access)
      found.push({ name: `grants.${i}.claim`, message: "Name a claim: not every token can have this role." });
  });
  const said = schemas.check("Issuers", { jwt_issuers: [issuerOf(form)] });
  return [...found, ...said.map((p) => fieldMessage({ ...p, path: p.path.slice(2) }))];
}

/** One issuer, new or changed. The list is stored as a whole. */
export function IssuerDialog({ list, at, schemas, onClose, onSaved }: Props) {
  const stored = list.jwt_issuers[at];
  const others = list.jwt_issuers.filter((_, i) => i !== at).map((s) => s.issuer);
  const [unplaced, setUnplaced] = useState<ApiError>();
  const form = useForm<IssuerForm>({
    mode: "onTouched",
    defaultValues: issuerForm(stored),
    resolver: resolverOf((values) => problemsOf(values, others, schemas)),
  });
  const unsaved = useUnsaved(form.formState.isDirty);
  const close = () => unsaved.leave(onClose);
  const save = useMutation({
    mutationFn: (values: IssuerForm) => {
      const next = [...list.jwt_issuers];
      next[at] = issuerOf(values);
      return updateIssuers(next, list.version);
    },
    onMutate: () => setUnplaced(undefined),
    onSuccess: (next) => {
      unsaved.saved();
      onSaved(next);
      onClose();
      done("The issuer was saved.");
    },
    onError: (error) =>
      setUnplaced(
        placeProblems(error, form.setError, (p) => {
          const name = fieldOf(p);
          const own = `jwt_issuers.${at}.`;
          return name.startsWith(own) ? (name.slice(own.length) as FieldPath<IssuerForm>) : undefined;
        }),
      ),
  });
  return (
    <FormDialog
      title={stored ? "Edit an issuer" : "Add an issuer"}
      size={720}
      form={form}
      save={save}
      submit="Save issuer"
      failed="The issuer was not saved"
      error={unplaced}
      onClose={close}
      unsaved={unsaved.dialog}
    >
      <div className="fields">
        <div className="wide">
          <Text
            name="issuer"
            label="Issuer"
            required
            mono
            autofocus
            inputMode="url"
            placeholder="https://idp.example.com"
            description="iss of its tokens, and where its metadata is."
          />
        </div>
        <Text name="jwks_url" label="JWKS URL" mono inputMode="url" description="Blank: from the issuer's metadata." />
        <Text
          name="name_claim"
          label="Claim with the caller's name"
          mono
          placeholder="email"
          description="Blank: sub."
        />
        <Tags
          name="audiences"
          words
          label="Audiences"
          description="Accepted besides the address of the endpoint called."
          placeholder="https://gateway.example.com"
        />
        <Algorithms choices={schemas.choices("Issuers", "jwt_issuers", "algorithms")} />
        <Tags
          name="scopes_supported"
          words
          label="Scopes"
          description="Told to clients in the metadata and in challenges."
          placeholder="mcp:call"
        />
        <Check
          name="cloudflare_access"
          label="Cloudflare Access"
          description="The token comes in Cf-Access-Jwt-Assertion; audiences hold the application's AUD tag."
        />
      </div>
      <Grants />
    </FormDialog>
  );
}

function Algorithms({ choices }: { choices: string[] }) {
  const {
    field: { ref, value, onChange, onBlur },
  } = useController<IssuerForm, "algorithms">({ name: "algorithms" });
  return (
    <MultiSelect
      label="Algorithms"
      description="Blank: all of them."
      data={choices}
      value={value}
      onChange={onChange}
      onBlur={onBlur}
      ref={ref}
      error={useProblem("algorithms")}
      hiddenInputProps={{ "aria-hidden": true }}
    />
  );
}
