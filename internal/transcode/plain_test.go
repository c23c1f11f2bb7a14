package transcode

// The hand-written structs that the benchmarks compare with: what one would
// write for encoding/json to read the list of personas.

type plainPersonas struct {
	Data       []plainPersona `json:"data"`
	HasMore    *bool          `json:"has_more,omitempty"`
	NextCursor *string        `json:"next_cursor,omitempty"`
}

type plainPersona struct {
	ID             *string       `json:"id,omitempty"`
	Object         *string       `json:"object,omitempty"`
	Name           *string       `json:"name,omitempty"`
	Category       *string       `json:"category,omitempty"`
	Description    *string       `json:"description,omitempty"`
	IsCustom       *bool         `json:"is_custom,omitempty"`
	IsExpert       *bool         `json:"is_expert,omitempty"`
	CreatedAt      *int64        `json:"created_at,omitempty"`
	PipelineType   *string       `json:"pipeline_type,omitempty"`
	Type           *string       `json:"type,omitempty"`
	CreditsCharged *float64      `json:"credits_charged,omitempty"`
	Details        *plainDetails `json:"details,omitempty"`
}

type plainDetails struct {
	PipelineType           *string       `json:"pipeline_type,omitempty"`
	PersonaType            *string       `json:"persona_type,omitempty"`
	PrimaryUseCase         *string       `json:"primary_use_case,omitempty"`
	BuyingStage            *string       `json:"buying_stage,omitempty"`
	DecisionRole           *string       `json:"decision_role,omitempty"`
	RoleSegment            []string      `json:"role_segment,omitempty"`
	PrimaryObjectives      []string      `json:"primary_objectives,omitempty"`
	McdaWeights            *plainWeights `json:"mcda_weights,omitempty"`
	Goals                  []string      `json:"goals,omitempty"`
	Pains                  []string      `json:"pains,omitempty"`
	Triggers               []string      `json:"triggers,omitempty"`
	Channels               []string      `json:"channels,omitempty"`
	ProofTypes             []string      `json:"proof_types,omitempty"`
	Alternatives           []string      `json:"alternatives,omitempty"`
	WinFactors             []string      `json:"win_factors,omitempty"`
	Objections             []string      `json:"objections,omitempty"`
	Values                 []string      `json:"values,omitempty"`
	ProofPreferences       []string      `json:"proof_preferences,omitempty"`
	BrandVoiceFit          *string       `json:"brand_voice_fit,omitempty"`
	ReadingLevel           *string       `json:"reading_level,omitempty"`
	ToneGuardrails         []string      `json:"tone_guardrails,omitempty"`
	RoleTitle              *string       `json:"role_title,omitempty"`
	Seniority              *string       `json:"seniority,omitempty"`
	Industry               *string       `json:"industry,omitempty"`
	CompanySize            *string       `json:"company_size,omitempty"`
	TechStack              []string      `json:"tech_stack,omitempty"`
	BudgetAuthority        *string       `json:"budget_authority,omitempty"`
	ProcurementConstraints []string      `json:"procurement_constraints,omitempty"`
	CommitteeMapping       []string      `json:"committee_mapping,omitempty"`
	LifeStage              *string       `json:"life_stage,omitempty"`
	AgeBand                *string       `json:"age_band,omitempty"`
	IncomeBand             *string       `json:"income_band,omitempty"`
	HouseholdContext       []string      `json:"household_context,omitempty"`
	LifestyleAffinities    []string      `json:"lifestyle_affinities,omitempty"`
	PurchaseCadence        *string       `json:"purchase_cadence,omitempty"`
	KeyDifferentiators     []string      `json:"key_differentiators,omitempty"`
	RegulatoryContext      []string      `json:"regulatory_context,omitempty"`
	IsLocalized            *bool         `json:"is_localized,omitempty"`
	LocaleScope            *string       `json:"locale_scope,omitempty"`
	LocaleValue            *string       `json:"locale_value,omitempty"`
	LocalChannels          []string      `json:"local_channels,omitempty"`
	LocalObjections        []string      `json:"local_objections,omitempty"`
	LocalKeywords          []string      `json:"local_keywords,omitempty"`
}

type plainWeights struct {
	Price       *int32 `json:"price,omitempty"`
	TimeToValue *int32 `json:"timeToValue,omitempty"`
	Risk        *int32 `json:"risk,omitempty"`
	Proof       *int32 `json:"proof,omitempty"`
	Support     *int32 `json:"support,omitempty"`
}
