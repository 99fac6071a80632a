// The inputs, for the fields of a server: a name that the form does not have is an error of the compiler.

import * as fields from "../../components/fields";

import type { FieldProps, TagsProps, TextProps } from "../../components/fields";
import type { ServerForm } from "../../domain/serverForm";
import type { ReactNode } from "react";

type Named<T> = { [Name in keyof ServerForm]: ServerForm[Name] extends T ? Name : never }[keyof ServerForm];
type Of<T, Props = FieldProps> = (props: Omit<Props, "name"> & { name: Named<T> }) => ReactNode;

export const Text = fields.Text as Of<string, TextProps>;
export const Long = fields.Long as Of<string, FieldProps & { rows?: number; mono?: boolean }>;
export const Secret = fields.Secret as Of<string, FieldProps & { required?: boolean }>;
export const Tags = fields.Tags as Of<string[], TagsProps>;
export const Check = fields.Check as Of<boolean>;
export const Pairs = fields.Pairs as Of<{ name: string; value: string }[], FieldProps & { add: string }>;
export const useProblem = fields.useProblem as (name: keyof ServerForm) => string | undefined;
